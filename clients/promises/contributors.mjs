// `/pool/me`: what a contributor sees, decides and takes back.

import assert from 'node:assert/strict';

import { asked, change, check, fresh, me, refused, told, underWay, until, was, withdraw }
  from './frame.mjs';
import { STREAM, ask, generate, get, open, prompt, showing } from './http.mjs';
import { calls, calm, forget, rule, seen, shares } from './sim.mjs';

async function serve(key, times) {
  for (let n = 0; n < times; n += 1) {
    const answer = await generate(key);
    assert.equal(answer.status, 200, told(answer));
  }
}

check('a contributor sees the own key, and what it did', 2, async ([one, other]) => {
  await serve(one, 4);
  const mine = await until(() => me(one), ({ borrowed }) => borrowed.calls === 2, 'borrowed');
  await until(() => me(other), ({ lent }) => lent.calls === 2, 'lent');
  assert.match(mine.id, /^k_/);
  assert.deepEqual([mine.state, mine.cooldowns], ['active', []]);
  assert.deepEqual(mine.limits,
    { paused: false, borrow: true, lend_per_day: null, lend_models: null });
});

check('who is unknown or shows nothing is told so', 0, async () => {
  const [stranger] = await fresh(1);
  for (const method of ['GET', 'PATCH', 'DELETE']) {
    const body = { paused: true };
    refused(await ask(method, '/pool/me', showing(undefined, body)), 403, 'POOL_NO_KEY');
    refused(await ask(method, '/pool/me', showing(stranger, body)), 404, 'POOL_UNKNOWN_KEY');
  }
  await asked(0);
});

check('a paused key serves its bearer alone', 2, async (keys) => {
  const changed = await change(keys[1], { paused: true });
  assert.deepEqual([changed.json.state, changed.json.limits.paused], ['paused', true]);
  await serve(keys[0], 4);
  assert.deepEqual(await shares(keys), [4, 0]);
  await forget();
  await serve(keys[1], 4);
  assert.deepEqual(await shares(keys), [0, 4]);
  assert.equal((await get('/keycount')).json.keyCount, 1);
  await change(keys[1], { paused: false });
  await forget();
  await until(() => lent(keys), (share) => share > 0, 'it does not lend again');
});

/** How often the second key was lent to the first, after one more call. */
async function lent(keys) {
  await serve(keys[0], 1);
  return (await shares(keys))[1];
}

check('who does not borrow is served with the own key alone', 3, async (keys) => {
  await change(keys[1], { borrow: false });
  await serve(keys[1], 6);
  assert.deepEqual(await seen(), [keys[1]]);
});

check('a day\'s loans are counted, and no more are made', 2, async (keys) => {
  await change(keys[1], { lend_per_day: 2 });
  await serve(keys[0], 10);
  assert.deepEqual(await shares(keys), [8, 2]);
  await change(keys[1], { lend_per_day: null });
  await forget();
  await until(() => lent(keys), (share) => share > 0, 'it does not lend again');
});

check('a change that makes no sense changes nothing', 1, async ([key]) => {
  const before = await me(key);
  for (const limits of [{ pause: true }, { paused: 'yes' }, { paused: true, lend_per_day: -1 },
    { paused: true, lend_models: 'gemini' }, { paused: true, lend_models: [''] }, []]) {
    refused(await change(key, limits), 400, 'POOL_REFUSED');
  }
  assert.deepEqual(await me(key), before);
});

check('a withdrawn key serves nobody else from then on, and its bearer alone', 3,
  async (keys) => {
    const gone = await withdraw(keys[1]);
    assert.deepEqual([gone.status, gone.text], [204, ''], told(gone));
    await serve(keys[0], 6);
    assert.deepEqual(await shares(keys), [3, 0, 3]);
    assert.equal((await get('/keycount')).json.keyCount, 2);
    await forget();
    for (let n = 0; n < 3; n += 1) {
      const answer = await generate(keys[1]);
      was(answer, 200, 'own', 1);
      assert.equal(answer.mark, 'not-stored');
    }
    assert.deepEqual(await seen(), [keys[1]]);
    assert.equal((await me(keys[1])).state, 'withdrawn');
    assert.equal((await withdraw(keys[1])).status, 404, 'there is nothing left to withdraw');
  });

check('a withdrawn key gets what Google says and nothing of the pool\'s', 2, async (keys) => {
  await withdraw(keys[1]);
  await forget();
  for (const sample of ['quota_free_per_day', 'high_demand', 'caller_no_permission']) {
    await rule({ sample }, { times: 1 });
    const answer = await generate(keys[1]);
    assert.ok(answer.status >= 400 && answer.attempts === 1, `${sample} ${told(answer)}`);
  }
  assert.deepEqual(await seen(), [keys[1]]);
});

check('a withdrawn key comes back when its contributor says so', 2, async (keys) => {
  await withdraw(keys[1]);
  assert.equal((await change(keys[1], { borrow: true })).json.state, 'withdrawn');
  assert.equal((await generate(keys[1])).mark, 'not-stored');
  await change(keys[1], { paused: false });
  assert.equal((await generate(keys[1])).mark, 'stored');
  const back = await me(keys[1]);
  assert.deepEqual([back.state, back.lent.calls], ['active', 0], 'what it did is erased');
  await forget();
  await until(() => lent(keys), (share) => share > 0, 'it does not lend again');
});

check('a withdrawal waits for the calls that hold the key', 2, async (keys) => {
  await change(keys[0], { paused: true });
  const id = await rule({ slow_head: { ms: 700 } }, { key: keys[1] });
  await rule({ sample: 'high_demand' }, { key: keys[0], path: ':generateContent' });
  const borrowed = generate(keys[0]);
  await until(() => shares(keys), ([, share]) => share === 1, 'it is lent');
  assert.equal((await withdraw(keys[1])).status, 204);
  const [last] = (await calls()).filter(({ key }) => key === keys[1]);
  assert.ok(last.done_ms, 'nobody has the key in hand any more');
  assert.equal((await borrowed).status, 200, 'what ran may finish');
  await calm(id);
});

check('a running stream outlives the withdrawal of its key', 1, async ([key]) => {
  await rule({ slow_body: { ms: 40 } }, { key });
  const answer = await open('POST', STREAM, showing(key, prompt('[[long 200]]')));
  assert.ok(await answer.holds('"text"'));
  const gone = withdraw(key);
  await answer.ended;
  assert.equal((await gone).status, 204);
  assert.ok(answer.whole && answer.text.includes('finishReason'), told(answer));
  await underWay(0);
});
