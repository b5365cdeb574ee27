// How a key joins: by its own first request, and only by Google's word.

import assert from 'node:assert/strict';

import { asked, check, fresh, me, refused, told, unknown, was } from './frame.mjs';
import {
  MODEL, ask, chat, generate, get, path, prompt, showing, stream,
} from './http.mjs';
import { become, calls, forget, rule, seen, shares } from './sim.mjs';

const AT_ONCE = 64;

check('a first call is its own proof and stores the key', 0, async () => {
  const [key] = await fresh(1);
  const first = await generate(key);
  was(first, 200, 'own', 1);
  assert.deepEqual([first.mark, (await generate(key)).mark], ['stored', 'known']);
  assert.equal((await me(key)).state, 'active');
  assert.deepEqual((await get('/keycount')).json, { keyCount: 1, message: 'success' });
});

check('a first call of any method that Google authenticates stores the key, no other', 0,
  async () => {
    const embedder = (verb) => path(verb, 'gemini-embedding-001');
    const content = { content: { parts: [{ text: 'x' }] } };
    for (const [method, target, body, mark] of [
      ['POST', path('streamGenerateContent'), prompt('x'), 'stored'],
      ['POST', path('countTokens'), prompt('x'), 'stored'],
      ['POST', embedder('embedContent'), content, 'stored'],
      ['GET', '/v1beta/models', undefined, 'stored'],
      ['GET', `/v1beta/models/${MODEL}`, undefined, 'stored'],
      ['GET', '/v1beta/files', undefined, 'not-stored'],
      ['GET', '/v1beta/cachedContents', undefined, 'not-stored'],
    ]) {
      const [key] = await fresh(1);
      const answer = await ask(method, target, showing(key, body));
      assert.deepEqual([answer.status, answer.mark], [200, mark], `${target} ${told(answer)}`);
    }
  });

check('a key is shown in four ways, and goes to Google in the one place of its route', 0,
  async () => {
    const ways = [
      (key) => ['', { 'x-goog-api-key': key }],
      (key) => [`?key=${key}`, {}],
      (key) => ['', { authorization: `Bearer ${key}` }],
      (key) => ['', { 'x-api-key': key }],
    ];
    const native = [path('generateContent'), prompt('x')];
    const body = { model: MODEL, messages: [{ role: 'user', content: 'x' }] };
    for (const [target, json] of [native, ['/v1beta/openai/chat/completions', body]]) {
      for (const way of ways) {
        const [key] = await fresh(1);
        await forget();
        const [query, headers] = way(key);
        const answer = await ask('POST', target + query, showing(undefined, json, headers));
        assert.equal(answer.mark, 'stored', `${way} ${told(answer)}`);
        const [arrival] = await calls();
        const shown = arrival.headers.filter(([, value]) => value.includes(key));
        const wanted = json === body ? ['authorization', `Bearer ${key}`] : ['x-goog-api-key', key];
        assert.deepEqual([shown, arrival.query ?? ''], [[wanted], ''], `${way}`);
      }
    }
  });

check('no key is a 403 in Google\'s words, and Google is not asked', 0, async () => {
  for (const answer of [
    await generate(undefined),
    await get('/v1beta/models'),
    await get('/v1beta/files/abc'),
    await ask('POST', '/upload/v1beta/files'),
    await chat(undefined),
  ]) {
    assert.deepEqual([answer.status, answer.error.status], [403, 'PERMISSION_DENIED']);
    assert.match(answer.error.message, /^Method doesn't allow unregistered callers/);
    assert.equal(answer.headers['x-should-retry'], 'false');
  }
  await asked(0);
});

check('two keys are a 400, one key in two places is one', 2, async ([one, other]) => {
  const shown = (key, headers, query = '') =>
    ask('POST', path('generateContent') + query, showing(key, prompt('x'), headers));
  for (const answer of [
    await shown(one, { authorization: `Bearer ${other}` }),
    await shown(one, { 'x-api-key': other }),
    await shown(one, {}, `?key=${other}`),
  ]) {
    refused(answer, 400, 'POOL_KEY_CONFLICT');
  }
  await asked(0);
  assert.equal((await shown(one, { authorization: `Bearer ${one}` })).status, 200);
});

check('what cannot be a key of Google\'s is never sent on', 0, async () => {
  for (const text of [
    `ya29.a0AfB_by${'x'.repeat(30)}`,
    `sk-proj-${'a'.repeat(32)}`,
    `auth_tokens/${'a'.repeat(31)}`,
    'short',
  ]) {
    const answer = await generate(text);
    refused(answer, 400, 'POOL_NOT_A_KEY');
    assert.ok(!answer.text.includes(text), told(answer));
  }
  await asked(0);
});

check('an access token that nobody gave out is refused wherever it stands, and never sent on', 1, async () => {
  const token = `ptk_${'0123456789'.repeat(4)}`;
  const target = path('generateContent');
  for (const answer of [
    await generate(token),
    await ask('POST', target, showing('', prompt('x'), { authorization: `Bearer ${token}` })),
    await ask('POST', target, showing('', prompt('x'), { 'x-api-key': token })),
    await ask('POST', `${target}?key=${token}`, showing('', prompt('x'))),
    await chat(token),
    await get('/v1beta/models', token),
    await get('/v1beta/files', token),
  ]) {
    refused(answer, 401, 'POOL_UNKNOWN_TOKEN');
    assert.ok(!answer.text.includes(token), told(answer));
  }
  await asked(0);
});

check('a refused key is told so once by Google, and then by us', 1, async () => {
  const key = unknown();
  const [first, second] = [await generate(key), await generate(key)];
  assert.deepEqual([first.status, first.reason], [400, 'API_KEY_INVALID'], told(first));
  refused(second, 400, 'POOL_KEY_REFUSED');
  assert.equal(second.headers['x-should-retry'], 'false');
  await asked(1);
  assert.equal((await get('/pool/me', key)).status, 404);
});

check('a spent quota proves a key too, and the pool serves its first call', 1, async ([other]) => {
  const [key] = await fresh(1);
  await rule({ sample: 'quota_free_per_day' }, { key });
  const answer = await generate(key);
  was(answer, 200, 'pool', 2);
  assert.equal(answer.mark, 'stored');
  assert.equal((await me(key)).cooldowns[0].model, MODEL);
  await forget();
  for (let n = 0; n < 4; n += 1) assert.equal((await generate(key)).status, 200);
  assert.deepEqual(await seen(), [other]);
});

check('an error that is no proof goes back and decides nothing', 1, async () => {
  for (const sample of ['resource_exhausted_plain', 'service_disabled', 'model_not_found',
    'invalid_argument_generic', 'high_demand', 'spending_cap', 'caller_no_permission']) {
    const [key] = await fresh(1);
    await rule({ sample }, { key, times: 1 });
    await forget();
    const answer = await generate(key);
    assert.ok(answer.status >= 400, `${sample} ${told(answer)}`);
    assert.deepEqual([answer.attempts, answer.mark], [1, 'not-stored'], sample);
    await asked(1);
    assert.equal((await get('/pool/me', key)).status, 404, sample);
    assert.equal((await generate(key)).mark, 'stored', sample);
  }
});

check('a disabled key buys no entry, and comes back by its own proof', 2, async ([one, dead]) => {
  await become(dead, 'invalid');
  for (let n = 0; n < 2; n += 1) assert.equal((await generate(one)).status, 200);
  assert.equal((await me(dead)).state, 'disabled');
  await become(dead, 'good');
  was(await generate(dead), 200, 'own', 1);
  assert.equal((await me(dead)).state, 'active');
  await forget();
  for (let n = 0; n < 4; n += 1) assert.equal((await generate(one)).status, 200);
  assert.deepEqual(await shares([one, dead]), [2, 2]);
});

check('many first calls of one key at once join once', 0, async () => {
  const [key] = await fresh(1);
  await rule({ slow_head: { ms: 100 } });
  const answers = await Promise.all(Array.from({ length: 12 }, () => generate(key)));
  for (const answer of answers) {
    assert.ok(['stored', 'known'].includes(answer.mark), told(answer));
  }
  assert.equal((await get('/keycount')).json.keyCount, 1);
});

/** A first call that comes again as often as it is told to: one address may try so many at once. */
async function persist(key) {
  for (;;) {
    const answer = await generate(key);
    if (answer.reason !== 'POOL_TOO_MANY_REFUSED') return answer;
    await new Promise((wake) => setTimeout(wake, 1000 * answer.headers['retry-after']));
  }
}

check('the first calls of many new keys at once store them all', 0, async () => {
  const keys = await fresh(AT_ONCE);
  const answers = await Promise.all(keys.map(persist));
  for (const answer of answers) assert.equal(answer.mark, 'stored', told(answer));
  assert.equal((await get('/keycount')).json.keyCount, AT_ONCE);
  const known = await Promise.all(keys.map((key) => generate(key)));
  for (const answer of known) assert.equal(answer.mark, 'known', told(answer));
});

check('a first call with a large body goes with the own key, and joins', 1, async () => {
  const [key] = await fresh(1);
  const large = 'x'.repeat(3 << 20);
  const answer = await generate(key, large);
  was(answer, 200, 'own', 1);
  assert.equal(answer.mark, 'stored');
  assert.equal((await calls()).at(-1).body_len, JSON.stringify(prompt(large)).length);
});

check('a first call may be a stream', 1, async () => {
  const [key] = await fresh(1);
  const answer = await stream(key, 'one two three four five six');
  assert.deepEqual([answer.mark, answer.whole], ['stored', true], told(answer));
});
