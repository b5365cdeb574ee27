// What is answered here without Google, how errors read, and what pages of other sites may see.

import assert from 'node:assert/strict';

import { asked, check, refused, told } from './frame.mjs';
import { MODEL, ask, chat, generate, get, path, prompt, showing, stream } from './http.mjs';
import { rule } from './sim.mjs';

const PAGE = { origin: 'https://page.example' };

check('errors have Google\'s shape, in an array on OpenAI\'s routes', 0, async () => {
  const native = await generate(undefined);
  assert.equal(native.json.error.code, 403, told(native));
  for (const [target, status] of [['/v1/chat/completions', 403],
    ['/v1beta/openai/chat/completions', 403], ['/v1beta/openai/responses', 404]]) {
    const answer = await chat(undefined, {}, target);
    assert.equal(answer.json[0].error.code, status, told(answer));
    assert.equal(answer.headers['content-type'], 'application/json; charset=UTF-8');
  }
  const interactions = await ask('POST', '/v1beta/interactions', showing(undefined, {}));
  assert.equal(interactions.json.error.code, 'permission_denied', told(interactions));
  await asked(0);
});

check('an unknown path is a 404 with a hint, and tricks with paths lead nowhere', 1,
  async ([key]) => {
    for (const [target, hint] of [
      ['/index.html', '/v1beta/'],
      ['/openai/chat/completions', '/v1beta/openai'],
      ['/v1/messages', '/v1beta/openai/chat/completions'],
      ['/v1beta/v1beta/models/x:generateContent', 'twice'],
      ['/v2/models', '/v1beta/'],
    ]) {
      const answer = await ask('POST', target, showing(key, {}));
      assert.equal(answer.status, 404, `${target} ${told(answer)}`);
      assert.ok(answer.error.message.includes(hint), `${target} ${told(answer)}`);
      assert.equal(answer.headers['x-should-retry'], 'false');
    }
    for (const target of ['/v1beta/models/..%2f..%2fx:generateContent',
      '/v1beta/models/%00:generateContent', '/v1beta/models/%0d%0ax:generateContent']) {
      const answer = await get(target, key);
      assert.ok([400, 404].includes(answer.status), `${target} ${told(answer)}`);
    }
    await asked(0);
  });

check('the table is a page for people, and loads nothing from elsewhere', 1, async () => {
  const page = await get('/');
  assert.equal(page.status, 200, told(page));
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  assert.match(page.headers['content-security-policy'], /^default-src 'none'/);
  assert.match(page.text, /id="serving">1<\/dd>/);
  const links = [...page.text.matchAll(/(?:src|link rel="\w+" href)="([^"]+)"/g)].map(([, to]) => to);
  assert.deepEqual(links, ['/pool/assets/potluck.css', '/badge.svg', '/pool/assets/table.js']);
  for (const link of links) assert.equal((await get(link)).status, 200, link);
  assert.match((await get('/?lang=zh')).text, /<html lang="zh-CN"/);
});

check('tricks with the answer or the method are refused', 1, async ([key]) => {
  for (const name of ['callback', '$callback']) {
    const target = `${path('generateContent')}?${name}=evil`;
    refused(await ask('POST', target, showing(key, prompt('x'))), 400, 'POOL_REFUSED');
  }
  const other = await generate(key, 'x', { 'x-http-method-override': 'DELETE' });
  assert.equal(other.status, 400, told(other));
  await asked(0);
});

check('liveness, readiness, count, badge and summary are told without Google', 2, async () => {
  assert.equal((await get('/healthz')).text, 'ok\n');
  assert.equal((await get('/readyz')).text, 'ready\n');
  assert.deepEqual((await get('/keycount')).json, { keyCount: 2, message: 'success' });
  const badge = await get('/badge.svg');
  assert.equal(badge.headers['content-type'], 'image/svg+xml');
  assert.match(badge.text, />2<\/text>/);
  assert.equal((await get('/pool')).json.keys.serving, 2);
  await asked(0);
});

check('our pages take their methods alone, and operators\' pages want the token', 0,
  async () => {
    for (const page of ['/keycount', '/badge.svg', '/pool', '/healthz', '/readyz']) {
      refused(await ask('POST', page), 405, 'POOL_METHOD');
    }
    for (const page of ['/pool/admin', '/pool/admin/keys']) {
      const answer = await get(page, undefined, { ...PAGE, authorization: 'Bearer wrong' });
      refused(answer, 401, 'POOL_NOT_ADMIN');
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
    }
  });

check('a preflight is answered here', 0, async () => {
  const asks = { ...PAGE, 'access-control-request-method': 'POST',
    'access-control-request-headers': 'x-goog-api-key,content-type' };
  for (const target of ['/v1beta/models/x:generateContent', '/v1/chat/completions',
    '/upload/v1beta/files', '/pool/me', '/keycount']) {
    const { status, headers } = await ask('OPTIONS', target, { headers: asks });
    assert.deepEqual([status, headers['access-control-allow-origin']], [204, '*'], target);
    assert.match(headers['access-control-allow-methods'], /POST.*PATCH.*DELETE/);
    for (const name of ['x-goog-api-key', 'authorization', 'x-goog-upload-command']) {
      assert.ok(headers['access-control-allow-headers'].includes(name), `${target} ${name}`);
    }
  }
  const operators = await ask('OPTIONS', '/pool/admin', { headers: asks });
  assert.equal(operators.headers['access-control-allow-methods'], undefined);
  await asked(0);
});

check('pages read what they need of an answer, and nothing of Google\'s own', 1,
  async ([key]) => {
    await rule({ answer: { status: 200, body: {}, headers: [
      ['access-control-allow-origin', 'https://google.example'], ['set-cookie', 'a=b'],
      ['alt-svc', 'h3'], ['x-potluck-key', 'forged']] } }, { times: 1 });
    const answers = [
      await generate(key, 'x', PAGE),
      await stream(key, 'x', PAGE),
      await get('/v1beta/nothing', undefined, PAGE),
      await get('/keycount', undefined, PAGE),
      await get('/pool/me', key, PAGE),
    ];
    for (const answer of answers) {
      const { headers } = answer;
      assert.equal(headers['access-control-allow-origin'], '*', told(answer));
      for (const name of ['x-goog-upload-url', 'x-potluck-served-by', 'retry-after']) {
        assert.ok(headers['access-control-expose-headers'].includes(name), told(answer));
      }
      for (const name of ['set-cookie', 'alt-svc', 'access-control-allow-credentials']) {
        assert.equal(headers[name], undefined, told(answer));
      }
    }
    assert.equal(answers[0].mark, 'known');
    const plain = await generate(key);
    assert.equal(plain.headers['access-control-allow-origin'], undefined);
  });

check('every answer has a name of its own', 1, async ([key]) => {
  const answers = [
    await generate(key), await stream(key), await chat(key), await generate(undefined),
    await get('/v1beta/files', key), await get('/keycount'), await get('/nowhere'),
    await get('/pool/me', key), await get(`/v1beta/models/${MODEL}`, key),
  ];
  const names = answers.map((answer) => answer.headers['x-request-id']);
  for (const name of names) assert.match(name, /^[0-9a-f]{16}$/);
  assert.equal(new Set(names).size, names.length);
});
