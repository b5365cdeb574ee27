// What each recorded error of Google's leads to: for the key that met it, and for the call.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { asked, check, fresh, me, refused, serves, told, until } from './frame.mjs';
import { MODEL, chat, generate, get } from './http.mjs';
import { calls, calm, forget, rule, samples, seen, shares } from './sim.mjs';

const VERDICTS = new URL('../../crates/core/tests/verdicts.json', import.meta.url);

/** A model that is billed elsewhere is lent by name alone from then on, so it is not the usual. */
const BILLED = 'gemini-3.5-flash';

const verdicts = JSON.parse(await readFile(VERDICTS, 'utf8'));
const status = new Map((await samples()).map((sample) => [sample.name, sample.status]));

/** Samples by the first word of their verdict; those of streams and sockets stand elsewhere. */
const samplesOf = (...names) =>
  Object.entries(verdicts)
    .filter(([sample]) => status.get(sample) > 200)
    .filter(([, verdict]) => names.includes(verdict.split('(')[0]))
    .map(([sample]) => sample);

/** A call in the dialect that the sample was recorded in. */
const call = (sample, key) => {
  const model = verdicts[sample] === 'LimitZero' ? BILLED : MODEL;
  return sample.startsWith('openai') ? chat(key, { model }) : generate(key, 'hello', { model });
};

/** Six calls of the first key's bearer; all are served. */
async function six(sample, key) {
  for (let n = 0; n < 6; n += 1) {
    const answer = await call(sample, key);
    assert.equal(answer.status, 200, told(answer));
  }
}

for (const sample of samplesOf('CallerFault')) {
  check(`${sample}: told at once, one attempt, and every key stays in service`, 3,
    async (keys) => {
      const id = await rule({ sample });
      for (let n = 0; n < 3; n += 1) {
        const answer = await call(sample, keys[0]);
        assert.deepEqual([answer.status, answer.attempts], [status.get(sample), 1], told(answer));
      }
      await asked(3);
      assert.deepEqual(await shares(keys), [1, 1, 1]);
      await calm(id);
      await forget();
      await six(sample, keys[0]);
      assert.deepEqual(await shares(keys), [2, 2, 2]);
    });
}

for (const sample of samplesOf('KeyDead', 'PerhapsDead')) {
  check(`${sample}: the next key serves, and the dead one is out`, 3, async (keys) => {
    await rule({ sample }, { key: keys[1] });
    await six(sample, keys[0]);
    assert.deepEqual(await shares(keys), [3, 1, 3]);
    const dead = ({ state }) => state === 'disabled';
    await until(() => me(keys[1]), dead, 'the key is not disabled');
    assert.equal((await get('/keycount')).json.keyCount, 2);
  });
}

for (const sample of samplesOf('ModelClosed', 'LimitZero', 'Minute', 'Day', 'Unnamed', 'Billing')) {
  check(`${sample}: the next key serves, and this one rests`, 3, async (keys) => {
    // The caller's own key: a billed model is served by no other from then on.
    const own = verdicts[sample] === 'LimitZero';
    const [caller, resting] = own ? [keys[0], keys[0]] : keys;
    await rule({ sample }, { key: resting, times: 1 });
    if (own) {
      for (let n = 0; n < 3; n += 1) await call(sample, caller);
    } else {
      await six(sample, caller);
      assert.deepEqual(await shares(keys), [3, 1, 3]);
    }
    assert.equal((await me(resting)).cooldowns.length, 1);
    assert.equal((await get('/keycount')).json.keyCount, 3, 'it can serve later');
  });
}

for (const sample of samplesOf('Unclear', 'Signature')) {
  check(`${sample}: tried once more with the own key, and blames none`, 3, async (keys) => {
    await rule({ sample }, { key: keys[1] });
    await six(sample, keys[0]);
    assert.ok((await calls()).length <= 6 + 3);
    for (const key of keys) await serves(key);
  });
}

for (const sample of samplesOf('Trouble')) {
  check(`${sample}: the next key serves at once, and none is blamed`, 3, async (keys) => {
    await rule({ sample }, { times: 1 });
    await six(sample, keys[0]);
    await asked(7);
    assert.equal((await seen()).length, 3);
    for (const key of keys) await serves(key);
  });
}

for (const sample of samplesOf('OurPlace')) {
  check(`${sample}: told from a template, and blames no key`, 3, async (keys) => {
    const id = await rule({ sample });
    const answer = await call(sample, keys[0]);
    refused(answer, 503, 'POOL_PLACE');
    // From here, and from elsewhere where there is one.
    assert.ok((await calls()).length <= 2);
    await calm(id);
    await six(sample, keys[0]);
    for (const key of keys) await serves(key);
  });
}

const QUOTED = [
  'API key not valid. Please pass a valid API key. (at contents[0])',
  'Your API key was reported as leaked. Please use another API key. you said',
  'reason: API_KEY_INVALID, quotaId: GenerateRequestsPerDayPerProjectPerModel',
];

check('a thousand 400, 403 and 404 with a caller\'s words in them put no key out', 3,
  async (keys) => {
    for (const code of [400, 403, 404, 413]) {
      for (const message of QUOTED) {
        const id = await rule({ answer: { status: code, body: { error: { code, message } } } });
        const batch = Array.from({ length: 84 }, (_, n) => generate(keys[n % 3]));
        for (const answer of await Promise.all(batch)) {
          assert.deepEqual([answer.status, answer.attempts], [code, 1], told(answer));
        }
        await calm(id);
      }
    }
    await asked(1008);
    for (const key of keys) await serves(key);
  });

check('four attempts, and never the same key twice', 6, async (keys) => {
  await rule({ sample: 'service_unavailable' });
  const answer = await generate(keys[0]);
  assert.deepEqual([answer.status, answer.attempts], [503, 4], told(answer));
  assert.equal(answer.error.message, 'The service is currently unavailable.');
  await asked(4);
  assert.equal((await seen()).length, 4);
});

check('when only others\' keys are bad, the caller does not read of a bad key', 6,
  async ([own, ...others]) => {
    await rule({ sample: 'quota_free_per_day' }, { key: own });
    for (let n = 0; n < 6; n += 1) await generate(own);
    await forget();
    for (const key of others) await rule({ sample: 'key_reported_leaked' }, { key });
    const answer = await generate(own);
    refused(answer, 503, 'POOL_UNSERVED');
    assert.equal(answer.attempts, 4);
    assert.ok(answer.headers['retry-after']);
    assert.doesNotMatch(answer.text, /leaked|API key/);
  });

check('errors go back without keys, projects and addresses', 0, async () => {
  for (const sample of ['invalid_key_with_debuginfo', 'consumer_suspended_2026',
    'service_disabled', 'quota_old_gateway', 'billing_disabled',
    'location_unsupported_with_debuginfo']) {
    const [key] = await fresh(1);
    await rule({ sample }, { key, times: 1 });
    await forget();
    const answer = await generate(key);
    assert.ok(answer.status >= 400, sample);
    await asked(1);
    assert.doesNotMatch(answer.text, /DebugInfo|127\.0\.0\.1|projects\/\d|2000000000/, sample);
    assert.ok(!answer.text.includes(key), `${sample} ${answer.text}`);
  }
});
