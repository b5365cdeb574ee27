// Runs the bundle in workerd, with its database in a folder: `cargo xtask worker serve`.

import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Log, LogLevel, Miniflare, migrate, settings, world } from "./local.mjs";

const option = { type: "string" };
const { values } = parseArgs({
  options: {
    bundle: option, data: option, listen: option, upstream: option, "master-key": option,
    "tls-cert": option, "tls-key": option,
  },
});

/** The operators' token, made at the first start where `potluck` looks for one. */
async function adminToken() {
  const place = join(values.data, "admin-token");
  await mkdir(values.data, { recursive: true });
  const made = randomBytes(32).toString("base64url");
  // Fails where there is one.
  const written = writeFile(place, `${made}\n`, { mode: 0o600, flag: "wx" });
  await written.then(() => console.log(`the operators' token is in ${place}`), () => {});
  return (await readFile(place, "utf8")).trim();
}

// The id names the file, so that `wrangler --persist-to DATA` finds the same database.
const [{ database_id: id }] = (await settings()).d1_databases;
const { hostname, port } = new URL(`http://${values.listen}`);
const options = {
  ...(await world(values.bundle, { DB: id })),
  log: new Log(LogLevel.WARN),
  httpsCertPath: values["tls-cert"],
  httpsKeyPath: values["tls-key"],
  d1Persist: join(values.data, "v3/d1"),
  durableObjectsPersist: join(values.data, "v3/do"),
  bindings: {
    POTLUCK_MASTER_KEY: (await readFile(values["master-key"], "utf8")).trim(),
    POTLUCK_ADMIN_TOKEN: await adminToken(),
    POTLUCK_UPSTREAM: values.upstream,
  },
};

// Who finds the port open finds the database migrated. It is the Worker's own, unless it speaks TLS,
// which miniflare's alone does: behind that one a caller who leaves is missed later.
const worker = new Miniflare(options);
await migrate(await worker.getD1Database("DB"));
const place = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) };
const tls = values["tls-cert"] !== undefined;
await worker.setOptions({ ...options, ...(tls ? place : { unsafeDirectSockets: [place] }) });

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await worker.dispose();
    process.exit(0);
  });
}
await worker.ready;
console.log(`listening on ${tls ? "https" : "http"}://${values.listen}/`);
