// Runs the bundle in workerd, with its database in a folder: `cargo xtask worker serve`.

import { readFile } from "node:fs/promises";
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
    POTLUCK_UPSTREAM: values.upstream,
  },
};

// Who finds the port open finds the database migrated. It is the Worker's own: behind miniflare's
// a broken answer would end as a whole one, and a caller who leaves would not be missed.
const worker = new Miniflare(options);
await migrate(await worker.getD1Database("DB"));
const host = hostname.replace(/^\[|\]$/g, "");
const direct = { host, port: Number(port || 80) };
await worker.setOptions({ ...options, unsafeDirectSockets: [direct] });

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, async () => {
    await worker.dispose();
    process.exit(0);
  });
}
await worker.ready;
console.log(`listening on http://${values.listen}/`);
