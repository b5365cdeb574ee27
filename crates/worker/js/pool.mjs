// The pool in its object, in workerd: what passers-by and contributors are told, what they change,
// and that D1 holds it.

import assert from "node:assert/strict";
import { join } from "node:path";

import { check, conclude } from "./checks.mjs";
import { migrate, world } from "./local.mjs";
import { KEYS, masterKey, said, seat, staged, values } from "./staged.mjs";
import { watched } from "./watch.mjs";

const bearing = ({ key }, init) => ({ headers: { "x-goog-api-key": key }, ...init });
const patch = (one, change) => bearing(one, { method: "PATCH", body: JSON.stringify(change) });
const erase = (one) => bearing(one, { method: "DELETE" });
const sleep = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

/** How many rows of that table have the id. */
const rows = async (database, table, id) =>
  (await database.prepare(`SELECT * FROM ${table} WHERE id = ?1`).bind(id).all()).results.length;

/** Waits until that is true, or too long. */
async function until(holds, why) {
  for (let tries = 0; tries < 150; tries += 1) {
    if (await holds()) return;
    await sleep(100);
  }
  assert.fail(why);
}

async function refused(answer, status, reason) {
  const body = await answer.json();
  const { error } = Array.isArray(body) ? body[0] : body;
  assert.deepEqual([answer.status, error.details?.[0].reason], [status, reason], error.message);
  return error.message;
}

/** With two keys that serve, one that is paused and one that is dead. */
const set = (changes, body) =>
  staged(changes, async ({ get, database }) => {
    await migrate(database);
    await seat(database, KEYS[0]);
    await seat(database, KEYS[1]);
    await seat(database, KEYS[2], { paused: 1 });
    await seat(database, KEYS[3], { state: "disabled", changed_at: Date.now() });
    await body({ get, database });
  });

/** The Worker behind `watched.mjs`. */
const watchedWorld = async () =>
  watched(await world(values.bundle, { DB: "potluck" }), values.bundle);

await check("passers-by see the pool", () =>
  set({}, async ({ get, database }) => {
    const until = Date.now() + 3_600_000;
    await database
      .prepare("INSERT INTO cooldowns (key_id, scope, until, why) VALUES (?1, 'all', ?2, 'billing')")
      .bind(KEYS[1].id, until)
      .run();
    const count = await get("/keycount");
    assert.equal(await count.text(), '{"keyCount":2,"message":"success"}\n');
    assert.equal(count.headers.get("cache-control"), "no-store");
    const badge = await get("/badge.svg");
    assert.equal(badge.headers.get("content-type"), "image/svg+xml");
    assert.match(await badge.text(), />2<\/text>/);
    const { keys } = await (await get("/pool")).json();
    assert.deepEqual(keys, { serving: 1, resting: 1, held: 0, paused: 1, disabled: 1 });
    const [ready, head] = [await get("/readyz"), await get("/keycount", { method: "HEAD" })];
    assert.deepEqual([ready.status, await ready.text()], [200, "ready\n"]);
    assert.deepEqual([head.status, await head.text()], [200, ""]);
    const me = await (await get("/pool/me", bearing(KEYS[1]))).json();
    assert.equal(Date.parse(me.cooldowns[0].until), until);
  }));

await check("a contributor is known by the key, wherever it is shown", () =>
  set({}, async ({ get }) => {
    const { key, id } = KEYS[0];
    const name = `k_${Buffer.from(id).toString("hex")}`;
    for (const headers of [{ "x-goog-api-key": key }, { "x-api-key": key },
      { authorization: `Bearer ${key}` }]) {
      const me = await (await get("/pool/me", { headers })).json();
      assert.deepEqual([me.id, me.state, me.limits.paused], [name, "active", false]);
    }
    assert.equal((await (await get(`/pool/me?key=${key}`)).json()).id, name);
    await refused(await get("/pool/me"), 403, "POOL_NO_KEY");
    await refused(await get(`/pool/me?key=${KEYS[1].key}`, bearing(KEYS[0])), 400,
      "POOL_KEY_CONFLICT");
    await refused(await get("/pool/me?key=ya29.abc"), 400, "POOL_NOT_A_KEY");
    await refused(await get("/pool/me", bearing(KEYS[7])), 404, "POOL_UNKNOWN_KEY");
    await refused(await get("/pool/me", bearing(KEYS[0], { method: "POST" })), 405, "POOL_METHOD");
  }));

await check("a change of limits outlives the Worker", async () => {
  const d1Persist = join(values.folder, "changed");
  const limits = { paused: true, borrow: false, lend_per_day: 7, lend_models: ["gemini-x"] };
  await set({ d1Persist }, async ({ get }) => {
    const me = await (await get("/pool/me", patch(KEYS[0], limits))).json();
    assert.deepEqual(me.limits, limits);
    assert.equal((await (await get("/keycount")).json()).keyCount, 1);
  });
  await staged({ d1Persist }, async ({ get }) => {
    const me = await (await get("/pool/me", bearing(KEYS[0]))).json();
    assert.deepEqual(me.limits, limits);
    const freed = await get("/pool/me", patch(KEYS[0], { lend_models: null, paused: false }));
    assert.deepEqual((await freed.json()).limits,
      { ...limits, lend_models: null, paused: false });
  });
});

await check("a change that cannot be is told without the key", () =>
  set({}, async ({ get }) => {
    const { key } = KEYS[0];
    for (const change of [{ pause: true }, { lend_models: [key] }, { [key]: 1 }, { borrow: key },
      { lend_models: ["x".repeat(17 << 10)] }, { lend_models: [""] }]) {
      await refused(await get("/pool/me", patch(KEYS[0], change)), 400, "POOL_REFUSED");
    }
    await refused(await get("/pool/me", bearing(KEYS[0], { method: "PATCH" })), 400,
      "POOL_REFUSED");
    await refused(await get("/pool/me", patch(KEYS[7], { paused: true })), 404,
      "POOL_UNKNOWN_KEY");
  }));

await check("a withdrawn key is erased, remembered, and may come back", async () => {
  const d1Persist = join(values.folder, "withdrawn");
  await set({ d1Persist }, async ({ get, database }) => {
    const gone = await get("/pool/me", erase(KEYS[0]));
    assert.deepEqual([gone.status, await gone.text()], [204, ""]);
    assert.equal(await rows(database, "keys", KEYS[0].id), 0);
    assert.equal(await rows(database, "tombstones", KEYS[0].tombstone), 1);
    assert.equal((await (await get("/pool/me", bearing(KEYS[0]))).json()).state, "withdrawn");
    await refused(await get("/pool/me", erase(KEYS[0])), 404, "POOL_UNKNOWN_KEY");
    await refused(await get("/pool/me", erase(KEYS[7])), 404, "POOL_UNKNOWN_KEY");
  });
  await staged({ d1Persist }, async ({ get, database }) => {
    const stays = await get("/pool/me", patch(KEYS[0], { borrow: true }));
    assert.equal((await stays.json()).state, "withdrawn");
    const lifted = await get("/pool/me", patch(KEYS[0], { paused: false }));
    assert.equal((await lifted.json()).state, "unknown");
    assert.equal(await rows(database, "tombstones", KEYS[0].tombstone), 0);
    await refused(await get("/pool/me", bearing(KEYS[0])), 404, "POOL_UNKNOWN_KEY");
  });
});

await check("what is not ours or not for everybody is told", () =>
  set({}, async ({ get }) => {
    await refused(await get("/nowhere"), 404, "POOL_NO_ROUTE");
    await refused(await get("/keycount", { method: "POST" }), 405, "POOL_METHOD");
    for (const path of ["/pool/admin", "/pool/admin/keys", "/metrics"]) {
      const answer = await get(path, { headers: { origin: "https://a.example" } });
      assert.equal(answer.headers.get("access-control-allow-origin"), null);
      await refused(answer, 401, "POOL_NOT_ADMIN");
    }
  }));

await check("the pool's numbers are for operators", async () => {
  const bindings = { POTLUCK_MASTER_KEY: await masterKey("master-key"), POTLUCK_ADMIN_TOKEN: "x1" };
  await set({ bindings }, async ({ get }) => {
    const shown = { headers: { authorization: "Bearer x1" } };
    const numbers = await get("/metrics", shown);
    assert.match(numbers.headers.get("content-type"), /^application\/openmetrics-text/);
    assert.match(await numbers.text(), /^potluck_keys\{kind="serving"\} 2$/m);
    for (const headers of [{}, { authorization: "Bearer x2" }, { authorization: "Basic x1" }]) {
      await refused(await get("/metrics", { headers }), 401, "POOL_NOT_ADMIN");
    }
  });
});

await check("pages of other sites may ask, and every answer has a name", () =>
  set({}, async ({ get }) => {
    const origin = { headers: { origin: "https://a.example" } };
    const asked = await get("/v1beta/models", { ...origin, method: "OPTIONS" });
    assert.equal(asked.status, 204);
    assert.match(asked.headers.get("access-control-allow-methods"), /PATCH/);
    assert.match(asked.headers.get("access-control-allow-headers"), /x-goog-api-key/);
    const operators = await get("/pool/admin", { ...origin, method: "OPTIONS" });
    assert.equal(operators.headers.get("access-control-allow-methods"), null);
    const names = new Set();
    for (const path of ["/keycount", "/pool/me", "/healthz", "/nowhere"]) {
      const { headers } = await get(path, origin);
      assert.equal(headers.get("access-control-allow-origin"), "*", path);
      assert.match(headers.get("x-request-id"), /^[0-9a-f]{16}$/);
      names.add(headers.get("x-request-id"));
    }
    assert.equal(names.size, 4);
    const plain = await get("/keycount");
    assert.equal(plain.headers.get("access-control-allow-origin"), null);
  }));

await check("what changes nothing asks nothing of D1", async () =>
  set(await watchedWorld(), async ({ get }) => {
    await get("/keycount");
    assert.ok((await (await get("/watched")).json()) > 0, "waking is counted");
    for (let n = 0; n < 100; n += 1) {
      assert.equal((await get("/keycount")).status, 200);
      assert.equal((await get("/pool/me", bearing(KEYS[n % 4]))).status, 200);
    }
    await get("/pool/me", erase(KEYS[7]));
    assert.equal(await (await get("/watched")).json(), 0);
    await get("/pool/me", patch(KEYS[0], { paused: true }));
    assert.equal(await (await get("/watched")).json(), 1);
  }));

await check("what D1 did not take is written once it is there again", async () =>
  set(await watchedWorld(), async ({ get, database }) => {
    const paused = async () => (await database.prepare("SELECT paused FROM keys WHERE id = ?1")
      .bind(KEYS[1].id).first()).paused === 1;
    await get("/keycount");
    await get("/watched/lost");
    await refused(await get("/pool/me", erase(KEYS[0])), 503, "POOL_STORE");
    await refused(await get("/pool/me", patch(KEYS[1], { paused: true })), 503, "POOL_STORE");
    await get("/watched/found");
    assert.deepEqual([await rows(database, "keys", KEYS[0].id), await paused()], [1, false]);
    assert.equal((await get("/pool/me", erase(KEYS[0]))).status, 204);
    assert.deepEqual([await rows(database, "keys", KEYS[0].id), await paused()], [0, true]);
    await get("/watched/lost");
    await refused(await get("/pool/me", erase(KEYS[1])), 503, "POOL_STORE");
    await get("/watched/found");
    await until(async () => (await rows(database, "keys", KEYS[1].id)) === 0, "no alarm came");
  }));

await check("a key that was dead for thirty days is erased in its time, unasked", () =>
  staged({}, async ({ get, database }) => {
    await migrate(database);
    const soon = Date.now() - 30 * 24 * 3_600_000 + 3_000;
    await seat(database, KEYS[0], { state: "disabled", changed_at: soon });
    await seat(database, KEYS[1], { state: "disabled", changed_at: Date.now() });
    assert.equal((await (await get("/pool")).json()).keys.disabled, 2);
    await until(async () => (await rows(database, "keys", KEYS[0].id)) === 0, "it is still there");
    assert.equal(await rows(database, "keys", KEYS[1].id), 1);
    assert.equal((await (await get("/pool")).json()).keys.disabled, 1);
  }));

await check("a database that went wrong is read anew once it is right", () =>
  set({}, async ({ get, database }) => {
    await get("/keycount");
    await database.prepare("ALTER TABLE keys RENAME TO lost").run();
    await refused(await get("/pool/me", patch(KEYS[0], { paused: true })), 503, "POOL_STORE");
    await refused(await get("/keycount"), 503, "POOL_SETUP");
    await database.prepare("ALTER TABLE lost RENAME TO keys").run();
    assert.equal((await (await get("/keycount")).json()).keyCount, 2);
  }));

await check("no key was in any answer or line of the log", () => {
  assert.ok(said.length > 500);
  for (const { key } of KEYS) {
    const leak = said.find((text) => text.includes(key.slice(-12)));
    assert.equal(leak, undefined);
  }
});

conclude();
