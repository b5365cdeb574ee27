// The pool split over four objects: one pool to whoever looks at it, and four to whoever calls.

import assert from "node:assert/strict";

import { check, conclude } from "./checks.mjs";
import { serve, sim, table, told, until, upTo } from "./seated.mjs";
import { KEYS } from "./staged.mjs";

const PARTS = 4;
const EVERYONE = upTo(KEYS.length);
/** Which keys share a part with that one, itself among them. */
const companions = (n) =>
  EVERYONE.filter((other) => KEYS[other].id[0] % PARTS === KEYS[n].id[0] % PARTS);

/** An empty pool, and keys that Google alone knows. */
const split = (body) =>
  table(0, async (here) => {
    await sim.seat(KEYS);
    await body(here);
  }, { bindings: { POTLUCK_SHARDS: String(PARTS) } });

/** All keys join, each by a call of its own. */
async function join(here) {
  for (const n of EVERYONE) {
    const answer = await here.generate(n);
    assert.equal(answer.mark, "stored", told(answer));
  }
}

/** The pool is told as one with so many keys. */
async function counts(here, count) {
  assert.equal((await here.peek("/keycount")).json.keyCount, count);
  const { keys, models } = (await here.peek("/pool")).json;
  assert.equal(Object.values(keys).reduce((sum, some) => sum + some, 0), count);
  assert.deepEqual(models, ["gemini-2.5-flash"]);
  assert.match((await here.peek("/badge.svg")).text, new RegExp(`>${count}</text>`));
}

await check("parts: keys join and are told as one pool, and each is found", () =>
  split(async (here) => {
    await join(here);
    for (const n of EVERYONE) await serve(here, n, 1);
    await counts(here, KEYS.length);
    for (const n of EVERYONE) {
      const { id, state } = await here.me(n);
      assert.deepEqual([id, state], [`k_${Buffer.from(KEYS[n].id).toString("hex")}`, "active"]);
    }
  }));

await check("parts: a call is served by the keys of its caller's part, all of them", () =>
  split(async (here) => {
    await join(here);
    for (const n of EVERYONE) {
      await sim.forget();
      await serve(here, n, 2 * companions(n).length);
      const used = new Set((await sim.log()).map(({ key }) => key));
      assert.deepEqual(used, new Set(companions(n).map((other) => KEYS[other].key)));
    }
  }));

await check("parts: a caller whose own part is spent is served by another part", () =>
  split(async (here) => {
    await join(here);
    const home = companions(0);
    for (const n of home) {
      await sim.rule({ when: { key: KEYS[n].key, method: "POST" },
        do: { sample: "quota_free_per_day" } });
    }
    // A call tries four keys at most, so some find out that none is left.
    for (const _ of home) await here.generate(0);
    await sim.forget();
    const answers = [];
    for (let n = 0; n < 6; n += 1) answers.push(await here.generate(0));
    for (const answer of answers) {
      const facts = [answer.status, answer.servedBy, answer.mark, answer.attempts];
      assert.deepEqual(facts, [200, "pool", "known", 1], told(answer));
    }
    const used = (await sim.log()).map(({ key }) => key);
    assert.equal(used.length, answers.length);
    assert.ok(home.every((n) => !used.includes(KEYS[n].key)), "a spent key was asked");
    // What others gave is told at home.
    const borrowed = async () => (await here.me(0)).borrowed.calls;
    await until(borrowed, (calls) => calls >= answers.length, "it is not counted");
  }));

await check("parts: what contributors change holds, and outlives all objects", () =>
  split(async (here) => {
    await join(here);
    assert.equal((await here.withdraw(3)).status, 204);
    assert.equal((await here.change(4, { paused: true })).json.state, "paused");
    for (const restarts of [0, 1]) {
      if (restarts) assert.equal(await here.watch("restart"), PARTS);
      assert.equal((await here.peek("/keycount")).json.keyCount, KEYS.length - 2);
      for (const n of EVERYONE) {
        const state = { 3: "withdrawn", 4: "paused" }[n] ?? "active";
        assert.equal((await here.me(n)).state, state);
        const answer = await here.generate(n);
        assert.equal(answer.mark, n === 3 ? "not-stored" : "known", told(answer));
      }
    }
  }));

conclude();
