// Calls in workerd, with Google's stand-in behind: what is the edge edition's own. Isolates take
// leases and remember, the object may start anew and D1 be out of reach, and no caller notices.

import assert from "node:assert/strict";

import { check, conclude } from "./checks.mjs";
import {
  MODEL, TOLD, path, prompt, serve, sim, sleep, table, told, until, upTo, uses,
} from "./seated.mjs";
import { KEYS, said, seat } from "./staged.mjs";

const SPENT = { sample: "quota_free_per_day" };

/** From now on this happens to calls with that key; what happens `times` is kept from probes. */
const happens = (n, act, times) =>
  sim.rule({ when: { key: KEYS[n].key, method: "POST" }, times, do: act });

await check("leases: two hundred calls in a row speak to the object forty times at most", () =>
  table(4, async (here) => {
    await here.generate(0);
    await here.watch("asks");
    await serve(here, 0, 200);
    const asks = await here.watch("asks");
    assert.ok(asks <= 40, `${asks} times`);
  }));

await check("leases: a withdrawn key serves no call after the 204, whoever calls meanwhile", () =>
  table(3, async (here) => {
    let going = true;
    const callers = upTo(4).map(async () => {
      while (going) await serve(here, 0, 1);
    });
    await sleep(300);
    assert.equal((await here.withdraw(1)).status, 204);
    await sim.forget();
    await sleep(300);
    going = false;
    await Promise.all(callers);
    assert.equal(await uses(1), 0);
    assert.ok((await uses(0)) > 0 && (await uses(2)) > 0);
  }));

await check("leases: what one isolate does to a key holds in the others after five seconds", () =>
  table(4, async (here) => {
    await serve(here.there, 0, 20);
    assert.equal((await here.change(1, { paused: true })).status, 200);
    // Waits for the leases of its key, which are as old as those of the other.
    assert.equal((await here.withdraw(2)).status, 204);
    await sim.forget();
    await serve(here.there, 0, 20);
    assert.deepEqual(await Promise.all(upTo(4).map(uses)), [10, 0, 0, 10]);
  }, { isolates: 2 }));

await check("leases: a withdrawal waits for those of the object before, too", () =>
  table(3, async (here) => {
    await serve(here.there, 0, 20);
    await here.watch("restart");
    assert.equal((await here.withdraw(1)).status, 204);
    await sim.forget();
    await serve(here.there, 0, 20);
    assert.equal(await uses(1), 0);
  }, { isolates: 2 }));

await check("leases: a verdict ends those of its key at once", () =>
  table(3, async (here) => {
    await serve(here, 0, 20);
    await happens(1, SPENT);
    await sim.forget();
    await serve(here, 0, 30);
    assert.equal(await uses(1), 1);
  }));

await check("leases: one that nobody used is no loan", () =>
  table(2, async (here) => {
    await here.change(1, { lend_per_day: 20 });
    await serve(here, 0, 15);
    await sleep(5_000);
    await serve(here, 0, 60);
    assert.equal(await uses(1), 20);
  }));

await check("a thousand calls by known keys cost D1 nothing but what is told together", () =>
  table(8, async (here) => {
    await Promise.all(upTo(8).map((n) => here.generate(n)));
    await here.watch();
    await Promise.all(upTo(8).map((n) => serve(here, n, 125)));
    const statements = await here.watch();
    // Counts, what was learned of the keys, and of the quota.
    assert.ok(statements <= 3, `${statements} statements`);
  }));

await check("counts are stored before the object may fall asleep, all of them", () =>
  table(2, async (here) => {
    await serve(here, 0, 51);
    // Nobody asks the object anything meanwhile, which would keep it awake.
    const stored = () => here.database.prepare("SELECT * FROM usage").all();
    await until(stored, ({ results }) => results.length === 2, "nothing is stored");
    await here.watch("restart");
    const [{ borrowed }, { lent }] = [await here.me(0), await here.me(1)];
    const used = await uses(1);
    assert.deepEqual([borrowed.calls, lent.calls, used >= 25], [used, used, true]);
  }));

await check("restart: no call fails, long cooldowns hold and counts go on", () =>
  table(16, async (here) => {
    await here.database
      .prepare(`INSERT INTO usage (key_id, day, model, lent_calls, lent_tokens, borrowed_calls,
        borrowed_tokens) VALUES (?1, 1, '', 100, 0, 0, 0)`).bind(KEYS[1].id).run();
    await happens(15, SPENT, 1);
    await serve(here, 0, 16);
    const stored = () => here.database.prepare("SELECT scope FROM cooldowns").all();
    await until(stored, ({ results }) => results.length === 1, "the cooldown is not stored");
    await sim.forget();
    await restarting(here);
    assert.equal(await uses(15), 0);
    assert.equal((await here.me(15)).cooldowns.length, 1);
    // Calls on leases of an object that is gone are counted by none.
    const counted = async () => (await serve(here, 0, 4), here.me(1));
    await until(counted, ({ lent }) => lent.calls > 100, "the count stands still");
  }));

await check("restart: what was learned of quotas holds, and no limit is met again", () =>
  table(4, async (here) => {
    for (const n of upTo(4)) await sim.limit(n, MODEL, { rpd: 20 });
    const own = (n) => here.ask("POST", path(), n, prompt("x"),
      { "content-type": "application/json", "x-potluck-route": "own" });
    // Two keys' day is spent, and Google has said so; another's by count alone.
    for (const n of upTo(3)) {
      for (let calls = 0; calls < 20; calls += 1) assert.equal((await own(n)).status, 200);
      if (n < 2) assert.equal((await own(n)).status, 429);
    }
    const stored = () => here.database.prepare("SELECT facts FROM learned").all();
    const spent = ({ facts }) => facts.startsWith("account ") && facts.split(" ")[4] === "20";
    await until(stored, ({ results }) => results.filter(spent).length === 3, "it is not stored");
    // Cooldowns alone would tell it, too.
    await here.database.prepare("DELETE FROM cooldowns").run();
    await here.watch("restart");
    await sim.forget();
    await serve(here, 3, 10);
    assert.deepEqual(await Promise.all(upTo(4).map(uses)), [0, 0, 0, 10]);
    assert.equal((await sim.counters()).by_status[429], undefined);
  }));

/** Sixteen callers go on while the objects start anew, three times. */
async function restarting(here) {
  let going = true;
  const callers = upTo(16).map(async (n) => {
    while (going) await serve(here, n, 1);
  });
  for (let times = 0; times < 3; times += 1) {
    await sleep(400);
    await here.watch("restart");
  }
  await sleep(400);
  going = false;
  await Promise.all(callers);
}

await check("without D1 known keys are served, and a new one by itself, not stored", () =>
  table(3, async (here) => {
    await sim.seat([KEYS[5]]);
    await here.generate(0);
    await here.watch("lost");
    for (const n of [0, 1, 2, 0, 1, 2]) {
      const answer = await here.generate(n);
      assert.deepEqual([answer.status, answer.mark], [200, "known"], told(answer));
    }
    const alone = await here.generate(5);
    assert.deepEqual([alone.status, alone.servedBy, alone.mark], [200, "own", "not-stored"]);
    assert.equal((await sim.log()).at(-1).key, KEYS[5].key);
    await here.watch("found");
    assert.equal((await here.generate(5)).mark, "stored");
  }));

await check("an object that wakes without D1 leaves each caller to the own key", () =>
  table(3, async (here) => {
    await sim.seat([KEYS[5]]);
    await here.generate(0);
    await here.watch("lost");
    await here.watch("restart");
    await sim.forget();
    for (const n of [0, 1, 2, 5, 0, 1, 2, 5]) {
      const answer = await here.generate(n);
      const facts = [answer.status, answer.servedBy, answer.mark, answer.attempts];
      assert.deepEqual(facts, [200, "own", "not-stored", 1], told(answer));
    }
    assert.deepEqual(await Promise.all([0, 1, 2, 5].map(uses)), [2, 2, 2, 2]);
    await here.watch("found");
    assert.equal((await here.generate(0)).mark, "known");
    assert.equal((await here.peek("/keycount")).json.keyCount, 3);
  }));

await check("garbage: a refused key is answered in the isolate alone", () =>
  table(2, async (here) => {
    assert.equal((await here.generate(9)).reason, "API_KEY_INVALID");
    assert.equal((await here.generate(9)).reason, "POOL_KEY_REFUSED");
    await sleep(TOLD);
    await here.watch("asks");
    for (let n = 0; n < 20; n += 1) {
      assert.equal((await here.generate(9)).reason, "POOL_KEY_REFUSED");
    }
    assert.equal(await here.watch("asks"), 0);
  }));

await check("garbage: whoever shows ever new ones is stopped here, and a known key goes on", () =>
  table(2, async (here) => {
    const bad = (n) => `AIzaSyNobodysKeyNobodysKeyNobodysKey${String(n).padStart(3, "0")}`;
    await here.generate(0);
    for (let n = 0; n < 40; n += 1) await here.generate(bad(n));
    await sleep(TOLD);
    await here.watch("asks");
    for (let n = 40; n < 60; n += 1) {
      const answer = await here.generate(bad(n));
      assert.deepEqual([answer.status, answer.reason], [429, "POOL_TOO_MANY_REFUSED"]);
    }
    assert.equal(await here.watch("asks"), 0);
    await serve(here, 0, 4);
  }));

await check("place: where Google does not serve us, this call and the next go by the relay", () =>
  table(3, async (here) => {
    await sim.rule({ times: 1, do: { sample: "location_unsupported" } });
    await serve(here, 0, 6);
    assert.equal(await here.watch("relayed"), 6);
    assert.equal((await sim.log()).length, 7);
    const stream = await here.ask("POST", `${path(undefined, "streamGenerateContent")}?alt=sse`, 1,
      prompt("one two three"), { "content-type": "application/json" });
    assert.match(stream.text, /finishReason/);
    assert.equal(await here.watch("relayed"), 1);
    for (const n of [0, 1, 2]) {
      const { state, cooldowns } = await here.me(n);
      assert.deepEqual([state, cooldowns], ["active", []]);
    }
  }));

await check("a stored key that cannot be unsealed costs no call, and can be withdrawn", () =>
  table(3, async (here) => {
    const unreadable = { id: KEYS[3].id, sealed: KEYS[2].sealed };
    await seat(here.database, unreadable);
    assert.equal((await here.peek("/keycount")).json.keyCount, 4);
    await Promise.all([0, 1, 2].map((n) => serve(here, n, 30)));
    assert.equal((await here.peek("/keycount")).json.keyCount, 3);
    assert.ok((await Promise.all([0, 1, 2].map(uses))).every((used) => used > 0));
    assert.equal((await here.withdraw(3)).status, 204);
    const { results } = await here.database.prepare("SELECT id FROM keys").all();
    assert.equal(results.length, 3);
    assert.equal((await here.me(3)).state, "withdrawn");
  }));

const probes = async (n) => (await sim.log())
  .filter(({ method, key }) => method === "GET" && key === KEYS[n].key);

await check("probes: a doubted key is asked by the object, and rests shortly if it answers", () =>
  table(3, async (here) => {
    await happens(1, { sample: "key_reported_leaked" }, 1);
    await serve(here, 0, 6);
    const [probe] = await until(() => probes(1), ({ length }) => length === 1, "nobody asked");
    assert.equal(probe.path, "/v1beta/models");
    // Hours at first, a minute once Google answered.
    const shortly = ([rest]) => Date.parse(rest.until) - Date.now() < 3_600_000;
    await until(async () => (await here.me(1)).cooldowns, shortly, "the rest is as long as ever");
    assert.equal((await here.me(1)).state, "active");
    assert.equal(await uses(1), 1);
  }));

await check("probes: a doubted key that Google refuses again is out, and asked no more", () =>
  table(4, async (here) => {
    for (const [n, state] of [[1, "leaked"], [2, "denied"]]) await sim.become(KEYS[n], state);
    await serve(here, 0, 8);
    for (const n of [1, 2]) {
      await until(() => here.me(n), ({ state }) => state === "disabled", "it is still there");
      assert.equal((await probes(n)).length, 1);
    }
    await serve(here, 3, 8);
    assert.deepEqual([await uses(1), await uses(2)], [1, 1]);
    assert.equal((await here.peek("/keycount")).json.keyCount, 2);
  }));

await check("no key was in any answer or line of the log", () => {
  assert.ok(said.length > 1000);
  for (const { key } of KEYS) {
    const leak = said.find((text) => text.includes(key.slice(-12)));
    assert.equal(leak, undefined);
  }
});

conclude();
