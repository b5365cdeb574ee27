// Runs the bundle in workerd, with its database in a folder: `cargo xtask worker serve`.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Log, LogLevel, Miniflare, migrate, settings, world } from "./local.mjs";

const option = { type: "string" };
const { values } = parseArgs({
  options: {
    bundle: option, data: option, listen: option, upstream: option, "master-key": option,
  },
});

// The id names the file, so that `wrangler --persist-to DATA` finds the same database.
const [{ database_id: id }] = (await settings()).d1_databases;
const { hostname, port } = new URL(`http://${values.listen}`);
const worker = new Miniflare({
  ...(await world(values.bundle, { DB: id })),
  host: hostname.replace(/^\[|\]$/g, ""),
  port: Number(port || 80),
  log: new Log(LogLevel.INFO),
  d1Persist: join(values.data, "v3/d1"),
  durableObjectsPersist: join(values.data, "v3/do"),
  bindings: {
    POTLUCK_MASTER_KEY: (await readFile(values["master-key"], "utf8")).trim(),
    POTLUCK_UPSTREAM: values.upstream,
  },
});

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await worker.dispose();
    process.exit(0);
  });
}
await migrate(await worker.getD1Database("DB"));
console.log(`listening on ${await worker.ready}`);
