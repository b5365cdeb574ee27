// The Worker and the original's approach in one workerd, for `cargo xtask worker bench`, which
// sends the load and reads processor time. Each has a port and a database of its own. Callers reach
// them without miniflare's router between, and nobody asks them anything before the first caller.
//
// What is to be done lies beside the keys in the folder, in bench.json: `task` is `seat` to make
// the databases and end, `count` to count D1's statements, or another to just run; `ports` says who
// listens where, and who is not named there does not run. It ends with its standard input.

import { readFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";

import { Miniflare, migrate, world } from "./local.mjs";
import { KEYS, masterKey, seat, values } from "./staged.mjs";
import { watched } from "./watch.mjs";

const ORIGINAL = join(import.meta.dirname, "../bench");
const { task, ports, upstream } = JSON.parse(
  await readFile(join(values.folder, "bench.json"), "utf8"),
);

/** The Worker as it is deployed. */
async function potluck(deployed) {
  const worker = task === "count" ? await watched(deployed, values.bundle) : deployed;
  const bindings = {
    POTLUCK_MASTER_KEY: await masterKey("master-key"),
    POTLUCK_UPSTREAM: upstream,
  };
  return { ...worker, bindings };
}

async function original({ compatibilityDate }) {
  const text = await readFile(join(ORIGINAL, "original.ts"), "utf8");
  return {
    compatibilityDate,
    modules: [{ type: "ESModule", path: "original.mjs", contents: stripTypeScriptTypes(text) }],
    d1Databases: { DB: "original" },
    bindings: { UPSTREAM: upstream },
  };
}

/** What miniflare needs to know to run those who have a port. */
async function everybody() {
  const all = await world(values.bundle, { DB: "potluck" });
  const { host, port, cf, telemetry, ...deployed } = all;
  const makers = { potluck, original };
  const workers = Object.entries(ports).map(async ([name, port]) => ({
    ...(await makers[name](deployed)),
    name,
    unsafeDirectSockets: [{ host, port }],
  }));
  return {
    host,
    port,
    cf,
    telemetry,
    d1Persist: join(values.folder, "d1"),
    durableObjectsPersist: join(values.folder, "do"),
    // Standard output is for one word alone.
    handleRuntimeStdio: (...streams) => streams.forEach((stream) => stream.pipe(process.stderr)),
    workers: await Promise.all(workers),
  };
}

/** Makes both databases, with the same keys in each. */
async function prepare(running) {
  const [ours, theirs] = await Promise.all(
    ["potluck", "original"].map((name) => running.getD1Database("DB", name)),
  );
  await migrate(ours);
  await theirs.prepare(await readFile(join(ORIGINAL, "original.sql"), "utf8")).run();
  for (const one of KEYS) {
    await seat(ours, one);
    await theirs.prepare("INSERT INTO api_keys (key, last_used) VALUES (?1, 0)")
      .bind(one.key)
      .run();
  }
}

const running = new Miniflare(await everybody());
await running.ready;
if (task === "seat") {
  await prepare(running);
} else {
  console.log("ready");
  await new Promise((end) => process.stdin.on("end", end).resume());
}
// Node ends by itself once miniflare has taken its folder away, which it does beside.
await running.dispose();
