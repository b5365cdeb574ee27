// Even shares, conversations that stay where they are, and a pool in which every key rests.

import assert from 'node:assert/strict';

import { asked, change, check, me, refused, told, until } from './frame.mjs';
import { MODEL, ask, chat, generate, get, path, prompt, showing, stream } from './http.mjs';
import { arrivals, calm, forget, rule, seen, shares } from './sim.mjs';

const MINUTE = 'GenerateRequestsPerMinutePerProjectPerModel-FreeTier';
const DAY = 'GenerateRequestsPerDayPerProjectPerModel-FreeTier';

/** A quota that Google would refuse with this id, to be retried after so long. */
function quota(quotaId, retryDelay) {
  const failure = 'type.googleapis.com/google.rpc.QuotaFailure';
  const details = [
    { '@type': failure, violations: [{ quotaId, quotaValue: '20' }] },
    { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay },
  ];
  const error = { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'You exceeded.', details };
  return { answer: { status: 429, body: { error } } };
}

/** Lets every key rest, and forgets how. */
async function spend(keys, act) {
  await rule(act);
  for (let n = 0; n < keys.length; n += 4) await generate(keys[0]);
  await calm();
  await forget();
}

async function serve(key, times) {
  for (let n = 0; n < times; n += 1) {
    const answer = await generate(key);
    assert.equal(answer.status, 200, told(answer));
  }
}

check('ten keys share a thousand calls, a hundred each', 10, async (keys) => {
  await serve(keys[2], 1000);
  assert.deepEqual(await shares(keys), Array(10).fill(100));
  await until(() => me(keys[2]), ({ borrowed }) => borrowed.calls === 900, 'what it borrowed');
  await until(() => me(keys[3]), ({ lent }) => lent.calls === 100, 'what it lent');
});

check('shares are even with many callers at once', 10, async (keys) => {
  await Promise.all(keys.slice(0, 8).map((key) => serve(key, 50)));
  const all = await shares(keys);
  assert.ok(all.every((share) => share >= 39 && share <= 41), `${all}`);
});

/** A conversation's next turn: all that was said before stands before it. */
function turns(first, more) {
  const contents = [{ role: 'user', parts: [{ text: first }] }];
  for (let n = 0; n < more; n += 1) {
    contents.push({ role: 'model', parts: [{ text: 'You said something.' }] });
    contents.push({ role: 'user', parts: [{ text: `and ${n}?` }] });
  }
  return { contents };
}

/** Says the conversation's next turn; the key it was served with. */
async function say(key, first, more) {
  const answer = await ask('POST', path('generateContent'), showing(key, turns(first, more)));
  assert.equal(answer.status, 200, told(answer));
  return (await arrivals()).at(-1).key;
}

check('a conversation stays on the key of its last turn, and first turns are spread', 5,
  async (keys) => {
    const talks = Array.from({ length: 5 }, (_, n) => `conversation ${n} ${keys[n].slice(-4)}`);
    const begun = [];
    for (const talk of talks) begun.push(await say(keys[0], talk, 0));
    for (let more = 1; more < 4; more += 1) {
      for (const [n, talk] of talks.entries()) {
        await generate(keys[1], "somebody else's call");
        assert.equal(await say(keys[0], talk, more), begun[n], `turn ${more} of ${talk}`);
      }
    }
    assert.equal(new Set(begun).size, 5);
  });

check('a conversation moves when its key rests, and stays where it moved to', 3,
  async (keys) => {
    const talk = `a long story ${keys[0].slice(-4)}`;
    const first = await say(keys[0], talk, 0);
    await rule({ sample: 'quota_free_per_day' }, { key: first, times: 1 });
    const second = await say(keys[0], talk, 1);
    assert.notEqual(first, second);
    for (let more = 2; more < 5; more += 1) {
      await generate(keys[1], "somebody else's call");
      assert.equal(await say(keys[0], talk, more), second);
    }
  });

check('a cooldown is for one model and one kind of method', 2, async (keys) => {
  const other = (verb, model) =>
    ask('POST', path(verb, model), showing(keys[0], prompt('x')));
  await rule(quota(DAY, '1s'), { key: keys[1], times: 1 });
  await serve(keys[0], 2);
  const others = [['countTokens', MODEL], ['generateContent', 'gemini-2.5-flash-lite']];
  for (const [verb, model] of others) {
    await forget();
    for (let n = 0; n < 4; n += 1) assert.equal((await other(verb, model)).status, 200);
    assert.deepEqual(await shares(keys), [2, 2], `${verb} of ${model} goes on`);
  }
  await forget();
  for (let n = 0; n < 4; n += 1) assert.equal((await stream(keys[0])).status, 200);
  assert.deepEqual(await shares(keys), [4, 0], 'streams of the model are the same quota');
});

check('a pool that rests answers 429 with the time of the first to wake, and asks nobody', 3,
  async (keys) => {
    for (const [n, delay] of ['50s', '20s', '40s'].entries()) {
      await rule(quota(MINUTE, delay), { key: keys[n], times: 1 });
    }
    const burned = await generate(keys[0]);
    assert.deepEqual([burned.status, burned.attempts], [429, 3], told(burned));
    await forget();
    const answer = await generate(keys[1]);
    refused(answer, 429, 'POOL_RESTING');
    assert.deepEqual([answer.error.status, answer.attempts], ['RESOURCE_EXHAUSTED', 0]);
    const seconds = Number(answer.headers['retry-after']);
    // The key that wakes after twenty seconds, less what passed since.
    assert.ok(seconds > 0 && seconds <= 22, `${seconds}`);
    const retry = answer.error.details.find(({ retryDelay }) => retryDelay).retryDelay;
    assert.ok(Number.parseFloat(retry) > 0 && Number.parseFloat(retry) <= 22, retry);
    assert.equal(answer.headers['x-should-retry'], undefined);
    for (let n = 0; n < 20; n += 1) {
      assert.equal((await generate(keys[n % 3])).status, 429);
      assert.equal((await stream(keys[n % 3])).status, 429);
    }
    await asked(0);
    assert.equal((await get('/keycount')).json.keyCount, 3, 'they can serve later');
  });

check('a pool that rests answers OpenAI\'s callers in an array', 2, async (keys) => {
  await spend(keys, quota(DAY, '12s'));
  const answer = await chat(keys[0]);
  refused(answer, 429, 'POOL_RESTING');
  assert.ok(Array.isArray(answer.json) && answer.headers['retry-after'], told(answer));
  await asked(0);
});

check('a call waits for a key that wakes in a moment', 2, async (keys) => {
  await spend(keys, quota(MINUTE, '0.2s'));
  assert.equal((await generate(keys[0])).status, 200);
});

check('a key is used again when its minute is over', 2, async (keys) => {
  await rule(quota(MINUTE, '1s'), { key: keys[1], times: 1 });
  await serve(keys[0], 2);
  await forget();
  await serve(keys[0], 1);
  assert.deepEqual(await shares(keys), [1, 0]);
  const again = async () => {
    await serve(keys[0], 1);
    return (await shares(keys))[1];
  };
  await until(again, (share) => share > 0, 'it still rests');
});

check('a prompt larger than a key\'s minute burns no more keys', 4, async (keys) => {
  const large = 'many words and more '.repeat(300);
  const details = [
    { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: [{
      quotaId: 'GenerateContentInputTokensPerModelPerMinute-FreeTier',
      quotaMetric: 'generativelanguage.googleapis.com/generate_content_free_tier_input_token_count',
      quotaDimensions: { model: MODEL, location: 'global' }, quotaValue: '1000' }] },
    { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '30s' },
  ];
  const error = { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'You exceeded.', details };
  const id = await rule({ answer: { status: 429, body: { error } } });
  const answer = await generate(keys[0], large);
  assert.deepEqual([answer.status, answer.attempts], [429, 1], told(answer));
  await asked(1);
  await calm(id);
  await forget();
  await serve(keys[0], 8);
  assert.deepEqual(await shares(keys), [2, 2, 2, 2], 'no key rests for it');
});

check('what costs money is served by whoever lends it by name, else with the own key', 3,
  async (keys) => {
    const body = prompt('x', { tools: [{ googleSearch: {} }] });
    const search = () => ask('POST', path('generateContent'), showing(keys[0], body));
    for (let n = 0; n < 3; n += 1) assert.equal((await search()).servedBy, 'own');
    await change(keys[1], { lend_models: [MODEL] });
    for (let n = 0; n < 4; n += 1) assert.equal((await search()).status, 200);
    assert.deepEqual(await seen(), [keys[0], keys[1]].sort());
  });
