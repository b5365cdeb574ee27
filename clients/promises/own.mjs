// What is never pooled: everything bound to a project, everything unknown, and what a caller
// insists on.

import assert from 'node:assert/strict';

import { asked, check, told, was } from './frame.mjs';
import { MODEL, STREAM, ask, chat, generate, get, path, prompt, showing, stream } from './http.mjs';
import { arrivals, calm, fnv, forget, rule, seen, shares } from './sim.mjs';

/** A prompt with one more part. */
const part = (more) => ({ contents: [{ role: 'user', parts: [{ text: 'see' }, more] }] });
const file = (fileUri) => part({ fileData: { mimeType: 'image/png', fileUri } });
const google = 'https://generativelanguage.googleapis.com/v1beta/files/abc';

const BODIES = [
  file(google),
  part({ file_data: { mime_type: 'image/png', file_uri: google } }),
  file('gs://bucket/object'),
  file('https://storage.googleapis.com/bucket/object'),
  file('files/abc'),
  prompt('x', { cachedContent: 'cachedContents/abc' }),
  prompt('x', { cached_content: 'cachedContents/abc' }),
  prompt('x', { model: 'tunedModels/mine' }),
  prompt('x', { tools: [{ fileSearch: { fileSearchStoreNames: ['fileSearchStores/x'] } }] }),
  prompt('x', { store: true }),
  prompt('x', { serviceTier: 'priority' }),
  prompt('x', { webhookConfig: { uris: ['https://me.example'] } }),
  prompt('x', { continuationToken: 'abc' }),
  prompt('x', { generationOutputConfig: { outputUriPrefix: 'gs://x' } }),
  prompt('x', { someFieldOfTomorrow: 1 }),
  prompt('x', { generationConfig: { someFieldOfTomorrow: 1 } }),
  prompt('x', { tools: [{ someToolOfTomorrow: {} }] }),
  part({ somePartOfTomorrow: {} }),
];

check('a body that points at state, costs more or is unknown goes with the own key, once', 3,
  async (keys) => {
    // Whatever Google says, it is the caller's.
    for (const sample of [undefined, 'high_demand', 'quota_free_per_minute_tokens']) {
      if (sample) await rule({ sample });
      for (const body of BODIES) {
        const answer = await ask('POST', path('generateContent'), showing(keys[1], body));
        assert.deepEqual([answer.servedBy, answer.attempts], ['own', 1],
          `${JSON.stringify(body)} ${told(answer)}`);
      }
      await calm();
    }
    assert.deepEqual(await shares(keys), [0, 3 * BODIES.length, 0]);
  });

check('a body in OpenAI\'s words is read in those words', 3, async (keys) => {
  const fileOf = [{ role: 'user', content: [{ type: 'file', file: { file_id: 'file-abc' } }] }];
  for (const more of [
    { extra_body: { google: { cached_content: 'cachedContents/abc' } } },
    { service_tier: 'priority' },
    { store: true },
    { messages: fileOf },
    { some_field_of_tomorrow: {} },
  ]) {
    const answer = await chat(keys[2], more);
    assert.deepEqual([answer.servedBy, answer.attempts], ['own', 1], told(answer));
  }
  assert.deepEqual(await seen(), [keys[2]]);
  await forget();
  for (const more of [{ temperature: 0.5 }, { stream: false }, { max_tokens: 99 },
    { reasoning_effort: 'low' }, { store: false }, { user: 'me' }]) {
    assert.equal((await chat(keys[2], more)).status, 200);
  }
  assert.deepEqual(await shares(keys), [2, 2, 2], 'plain fields are pooled');
});

check('what cannot be read passes as it is, with the own key', 3, async (keys) => {
  for (const body of ['{"contents": [', 'not json', '', '{} {}',
    `{"contents":${'['.repeat(500)}1${']'.repeat(500)}}`]) {
    await forget();
    const headers = { 'x-goog-api-key': keys[1], 'content-type': 'application/json' };
    const answer = await ask('POST', path('generateContent'), { headers, body });
    was(answer, 400, 'own', 1);
    const [arrival] = await arrivals();
    assert.deepEqual([arrival.key, arrival.body_hash], [keys[1], fnv(body)], body);
  }
});

check('a prompt that merely talks about state is pooled, byte for byte', 3, async (keys) => {
  const talk = 'cachedContent: "cachedContents/abc", {"store": true}, fileData files/abc';
  const tools = [{ functionDeclarations: [{ name: 'cachedContent', parameters: { type: 'OBJECT',
    properties: { fileUri: { type: 'STRING' }, store: { type: 'BOOLEAN' } } } }] }];
  const body = `  \n${JSON.stringify(prompt(talk, { tools }), undefined, 2)}\n `;
  for (let n = 0; n < 6; n += 1) {
    const headers = { 'x-goog-api-key': keys[0], 'content-type': 'application/json' };
    assert.equal((await ask('POST', path('generateContent'), { headers, body })).status, 200);
    assert.equal((await arrivals()).at(-1).body_hash, fnv(body));
  }
  assert.deepEqual(await shares(keys), [2, 2, 2]);
});

const model = (verb) => path(verb);
const ROUTES = [
  ['GET', '/v1beta/files'],
  ['GET', '/v1beta/files/abc'],
  ['DELETE', '/v1beta/files/abc'],
  ['POST', '/v1beta/files:register'],
  ['GET', '/v1beta/files/abc:download?alt=media'],
  ['GET', '/download/v1beta/files/abc:download?alt=media'],
  ['GET', '/v1beta/cachedContents'],
  ['POST', '/v1beta/cachedContents'],
  ['PATCH', '/v1beta/cachedContents/abc'],
  ['POST', '/v1beta/tunedModels/abc:generateContent'],
  ['POST', model('batchGenerateContent')],
  ['POST', model('predictLongRunning')],
  ['POST', model('someVerbOfTomorrow')],
  ['GET', '/v1beta/batches'],
  ['GET', '/v1beta/operations/abc'],
  ['GET', '/v1beta/models/veo/operations/abc'],
  ['POST', '/v1beta/fileSearchStores'],
  ['POST', '/v1beta/interactions'],
  ['POST', '/v1alpha/auth_tokens'],
  ['GET', '/v1beta/openai/files'],
  ['POST', '/v1beta/openai/batches'],
  ['POST', '/upload/v1beta/files'],
  ['GET', '/v1beta/somethingOfTomorrow/abc'],
];

check('every route that is bound to a project or unknown goes with the own key, once', 3,
  async (keys) => {
    await rule({ sample: 'high_demand' });
    for (const [method, target] of ROUTES) {
      const answer = await ask(method, target, showing(keys[2]));
      const facts = [answer.status, answer.servedBy, answer.attempts];
      assert.deepEqual(facts, [503, 'own', 1], `${target} ${told(answer)}`);
    }
    assert.deepEqual(await shares(keys), [0, 0, ROUTES.length]);
  });

check('who asks for the own key gets it, and no other\'s for all that', 3, async (keys) => {
  const own = { 'x-potluck-route': 'own' };
  for (let n = 0; n < 3; n += 1) {
    was(await generate(keys[1], 'x', own), 200, 'own', 1);
    was(await stream(keys[1], 'x', own), 200, 'own', 1);
    const masked = showing(keys[1], prompt('x'));
    was(await ask('POST', `${STREAM}&fields=candidates`, masked), 200, 'own', 1);
  }
  await rule({ sample: 'quota_free_per_day' }, { key: keys[1] });
  was(await generate(keys[1], 'x', own), 429, 'own', 1);
  assert.deepEqual(await seen(), [keys[1]]);
});

check('an own call that changes something is sent once, whatever comes of it', 2,
  async (keys) => {
    const create = () =>
      ask('POST', '/v1beta/fileSearchStores', showing(keys[1], { displayName: 'mine' }));
    for (const act of [{ cut_before_head: { rst: true } }, { sample: 'high_demand' },
      { sample: 'quota_free_per_minute_tokens' }]) {
      await forget();
      await rule(act, { times: 1 });
      const answer = await create();
      assert.ok(answer.status >= 429 && answer.attempts === 1, told(answer));
      await asked(1);
    }
    assert.equal((await create()).status, 200);
  });

check('lists of models go with the own key, page by page', 3, async (keys) => {
  for (let n = 0; n < 3; n += 1) {
    const page = await get('/v1beta/models?pageSize=5', keys[1]);
    was(page, 200, 'own', 1);
    const next = `/v1beta/models?pageSize=5&pageToken=${page.json.nextPageToken}`;
    assert.equal((await get(next, keys[1])).status, 200);
  }
  const shown = (await arrivals()).map(({ key }) => key);
  assert.deepEqual([shown.length, new Set(shown)], [6, new Set([keys[1]])]);
});

const THROUGH = ['via', 'forwarded', 'cf-worker', 'cf-connecting-ip', 'cf-ray', 'cdn-loop'];

check('Google is not told through whom a call comes', 1, async ([key]) => {
  await generate(key);
  const [{ headers }] = await arrivals();
  assert.deepEqual(headers.filter(([name]) => THROUGH.includes(name)), []);
});

check('to Google goes an allow-list of headers and parameters', 1, async ([key]) => {
  const headers = {
    cookie: 'session=1',
    origin: 'https://page.example',
    referer: 'https://page.example/x',
    'x-forwarded-for': '192.0.2.7',
    forwarded: 'for=192.0.2.7',
    via: '1.1 somewhere',
    'x-goog-user-project': 'mine',
    'x-server-timeout': '30',
    'x-potluck-route': 'own',
    'accept-language': 'xx',
    'user-agent': 'tester/1',
    'x-goog-api-client': 'gl-test/1',
  };
  const target = `${path('generateContent')}?alt=json&prettyPrint=false&quotaUser=me&zzz=1`;
  assert.equal((await ask('POST', target, showing(key, prompt('x'), headers))).status, 200);
  const [arrival] = await arrivals();
  // Whatever says through whom the call came has a check of its own.
  const names = arrival.headers.map(([name]) => name).filter((name) => !THROUGH.includes(name));
  const known = ['accept', 'accept-encoding', 'connection', 'content-length',
    'content-type', 'host', 'transfer-encoding', 'user-agent', 'x-goog-api-client',
    'x-goog-api-key'];
  assert.deepEqual(names.filter((name) => !known.includes(name)), []);
  const told = Object.fromEntries(arrival.headers);
  assert.deepEqual([told['user-agent'], told['x-goog-api-client']], ['tester/1', 'gl-test/1']);
  assert.equal(arrival.query, 'alt=json&prettyPrint=false');
});

check('a key of another one never sees what a caller made of its own', 2, async ([one, other]) => {
  const uri = await uploaded(one);
  const body = file(uri);
  for (let n = 0; n < 2; n += 1) {
    was(await ask('POST', path('generateContent'), showing(one, body)), 200, 'own', 1);
    was(await ask('POST', path('generateContent'), showing(other, body)), 403, 'own', 1);
  }
});

/** A small file of that key's project; its URI. */
async function uploaded(key) {
  const headers = { 'x-goog-api-key': key, 'content-type': 'image/png',
    'x-goog-upload-protocol': 'raw' };
  const answer = await ask('POST', '/upload/v1beta/files', { headers, body: 'not an image' });
  assert.equal(answer.status, 200, told(answer));
  return answer.json.file.uri;
}

check('models are asked for by whatever name the path has', 1, async ([key]) => {
  const answer = await ask('POST', `/models/${MODEL}:generateContent`, showing(key, prompt('x')));
  assert.equal(answer.status, 200, told(answer));
  assert.equal((await arrivals())[0].path, path('generateContent'));
});
