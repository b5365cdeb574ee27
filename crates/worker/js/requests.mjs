// A few requests to the bundle as it is deployed, in workerd: that it serves when all is set up,
// and says what to do when it is not.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";

import { check, conclude } from "./checks.mjs";
import { migrate } from "./local.mjs";
import { KEYS, masterKey, seat, staged, values } from "./staged.mjs";

const ROUTES = ["/healthz", "/keycount", "/v1beta/models", "/nowhere"];

/** Every route says that sentence, in Google's shape. */
async function refused(get, sentence) {
  for (const path of ROUTES) {
    const answer = await get(path);
    const { error } = await answer.json();
    assert.equal(answer.status, 503, path);
    assert.deepEqual([error.code, error.status], [503, "UNAVAILABLE"]);
    assert.equal(error.details[0].reason, "POOL_SETUP");
    assert.match(error.message, sentence);
  }
}

await check("it answers and counts the keys that are in D1", () =>
  staged({}, async ({ get, database }) => {
    await migrate(database);
    await seat(database, KEYS[0]);
    await seat(database, KEYS[1]);
    await seat(database, KEYS[2], { paused: 1 });
    await seat(database, KEYS[3], { state: "disabled" });
    const healthz = await get("/healthz");
    assert.deepEqual([healthz.status, await healthz.text()], [200, "ok\n"]);
    const keycount = await get("/keycount");
    assert.deepEqual(await keycount.json(), { keyCount: 2, message: "success" });
    assert.equal((await get("/nowhere")).status, 404);
    assert.equal((await get("/contract")).status, 404);
    assert.equal((await get("/keycount", { method: "POST" })).status, 405);
  }));

await check("many first requests at once are all answered", () =>
  staged({}, async ({ get, database }) => {
    await migrate(database);
    const answers = await Promise.all(Array.from({ length: 20 }, () => get("/keycount")));
    for (const answer of answers) assert.equal((await answer.json()).keyCount, 0);
  }));

await check("without a database it says so", () =>
  staged({ d1Databases: {} }, ({ get }) => refused(get, /no D1 binding named DB: /)));

await check("without an object it says so", () =>
  staged({ durableObjects: {} }, ({ get }) =>
    refused(get, /no Durable Object binding named POOL: /)));

await check("without a master key it says so", () =>
  staged({ bindings: {} }, ({ get }) => refused(get, /no secret named POTLUCK_MASTER_KEY: /)));

await check("a master key that is none is named, and not shown", () =>
  staged({ bindings: { POTLUCK_MASTER_KEY: "plmk1_hunter2" } }, async ({ get }) => {
    await refused(get, /wrangler secret put POTLUCK_MASTER_KEY/);
    assert.doesNotMatch(await (await get("/healthz")).text(), /hunter2/);
  }));

await check("an empty database is told, and served once it is migrated", () =>
  staged({}, async ({ get, database }) => {
    await refused(get, /run `wrangler d1 migrations apply DB --remote`/);
    await migrate(database);
    assert.equal((await get("/healthz")).status, 200);
  }));

await check("a newer schema is left alone", () =>
  staged({}, async ({ get, database }) => {
    await migrate(database);
    await database.prepare("INSERT INTO schema_migrations (name) VALUES ('9999_later.sql')").run();
    await refused(get, /was made by a newer potluck \(migration 9999;/);
  }));

await check("another program's database is left alone", () =>
  staged({}, async ({ get, database }) => {
    await migrate(database);
    const rename = "UPDATE schema_migrations SET name = '0001_others.sql' WHERE id = 1";
    await database.prepare(rename).run();
    await refused(get, /is not this Worker's: its migration 0001_others.sql/);
  }));

await check("a master key made without Rust is one", async () => {
  const script = join(import.meta.dirname, "master-key.mjs");
  const made = execFileSync(process.execPath, [script], { encoding: "utf8" }).trim();
  await staged({ bindings: { POTLUCK_MASTER_KEY: made } }, async ({ get, database }) => {
    await migrate(database);
    assert.equal((await get("/healthz")).status, 200);
  });
});

await check("what lies in a folder is there again, for its own master key alone", async () => {
  const d1Persist = join(values.folder, "d1");
  await staged({ d1Persist }, async ({ get, database }) => {
    await migrate(database);
    await seat(database, KEYS[0]);
    assert.equal((await get("/healthz")).status, 200);
  });
  await staged({ d1Persist }, async ({ get }) =>
    assert.equal((await (await get("/keycount")).json()).keyCount, 1));
  const bindings = { POTLUCK_MASTER_KEY: await masterKey("other-master-key") };
  await staged({ d1Persist, bindings }, ({ get }) =>
    refused(get, /sealed with another master key/));
});

conclude();
