// Uploads by URLs that only we can give out, and downloads that are followed inside.

import assert from 'node:assert/strict';

import { asked, check, told, was } from './frame.mjs';
import { BASE_URL, ask, get, showing } from './http.mjs';
import { calls, calm, forget, rule } from './sim.mjs';

const PART = 256 << 10;

/** Bytes that no text has. */
const content = (length) => Buffer.from(Array.from({ length }, (_, at) => at % 251));

/** Starts an upload; the path and query of the URL that it is to go to. */
async function start(key, length) {
  const answer = await ask('POST', '/upload/v1beta/files', showing(key,
    { file: { displayName: 'notes' } }, {
      'x-goog-upload-protocol': 'resumable',
      'x-goog-upload-command': 'start',
      'x-goog-upload-header-content-length': String(length),
      'x-goog-upload-header-content-type': 'text/plain',
    }));
  was(answer, 200, 'own', 1);
  const url = answer.headers['x-goog-upload-url'];
  assert.ok(url.startsWith(`${BASE_URL}/upload/`), `${url} is on our host`);
  assert.equal(answer.headers['x-goog-upload-control-url'], url);
  assert.equal(answer.headers['x-goog-upload-status'], 'active');
  return url.slice(BASE_URL.length);
}

const part = (target, command, offset, body, headers = {}) =>
  ask('POST', target, { body: body ?? '', headers: { ...headers,
    'x-goog-upload-command': command, 'x-goog-upload-offset': String(offset) } });

/** Sends a file in parts without any key, as the Python SDK does. */
async function send(target, bytes) {
  for (let at = 0; ; at += PART) {
    const end = at + PART >= bytes.length;
    const command = end ? 'upload, finalize' : 'upload';
    const answer = await part(target, command, at, bytes.subarray(at, at + PART));
    assert.equal(answer.status, 200, told(answer));
    assert.equal(answer.headers['x-goog-upload-status'], end ? 'final' : 'active');
    if (end) return answer.json.file;
  }
}

check('a file goes up by a signed URL, in parts that carry no key', 2, async ([, key]) => {
  const bytes = content(2 * PART + 1000);
  const file = await send(await start(key, bytes.length), bytes);
  assert.equal(file.sizeBytes, String(bytes.length));
  assert.match(file.uri, /^https:\/\/generativelanguage\.googleapis\.com\//);
  const [, ...parts] = await calls();
  assert.equal(parts.length, 3);
  for (const arrival of parts) {
    assert.equal(arrival.key, null);
    assert.ok(arrival.query.includes('upload_id=') && !arrival.query.includes('potluck'));
  }
  const down = await get(`/v1beta/${file.name}:download?alt=media`, key);
  assert.ok(down.body.equals(bytes), told(down));
});

check('questions about an upload and its end pass as well', 1, async ([key]) => {
  const target = await start(key, 1000);
  assert.equal((await part(target, 'upload', 0, content(600))).status, 200);
  const query = await part(target, 'query', 0);
  assert.equal(query.headers['x-goog-upload-size-received'], '600', told(query));
  // The Node SDK sends its key along.
  const keyed = await part(target, 'upload', 600, content(100), { 'x-goog-api-key': key });
  assert.deepEqual([keyed.status, (await calls()).at(-1).key], [200, null], told(keyed));
  const cancel = await part(target, 'cancel', 0);
  assert.equal(cancel.headers['x-goog-upload-status'], 'cancelled', told(cancel));
});

/** The URL with one parameter's value changed. */
function changed(target, name, change) {
  const [path, query] = target.split('?');
  const pairs = query.split('&').map((pair) => {
    const [known, value] = pair.split('=');
    return known === name ? `${known}=${change(value)}` : pair;
  });
  return `${path}?${pairs.join('&')}`;
}

const flip = (text) => text.slice(0, -1) + (text.endsWith('0') ? '1' : '0');

check('a URL that we did not give out is refused here', 1, async ([key]) => {
  const target = await start(key, 10);
  const [path, query] = target.split('?');
  const bare = query.split('&').filter((pair) => !pair.startsWith('potluck_')).join('&');
  await forget();
  for (const [what, forged] of Object.entries({
    'another upload': changed(target, 'upload_id', flip),
    'another signature': changed(target, 'potluck_sig', flip),
    'a longer life': changed(target, 'potluck_exp', (end) => String(Number(end) + 1)),
    'a past end': changed(target, 'potluck_exp', () => '1000'),
    'another path': target.replace('/upload/v1beta/', '/upload/v1/'),
    'two uploads': `${target}&upload_id=other`,
    'no signature': changed(target, 'potluck_sig', () => ''),
    'nothing of ours': `${path}?${bare}`,
  })) {
    const answer = await part(forged, 'upload, finalize', 0, content(10));
    assert.equal(answer.status, 403, `${what} ${told(answer)}`);
    assert.equal(answer.headers['x-should-retry'], 'false', what);
  }
  await asked(0);
});

check('a download follows its redirect inside, without the key', 1, async ([key]) => {
  const bytes = content(5000);
  const { name } = await send(await start(key, bytes.length), bytes);
  await forget();
  const target = `/v1beta/${name}:download?alt=media`;
  const whole = await get(target, key);
  const ranged = await get(target, key, { range: 'bytes=10-19' });
  assert.ok(whole.status === 200 && whole.body.equals(bytes), told(whole));
  assert.ok(ranged.status === 206 && ranged.body.equals(bytes.subarray(10, 20)), told(ranged));
  const log = await calls();
  assert.equal(log.length, 4);
  for (const hop of [log[1], log[3]]) {
    assert.ok(hop.path.startsWith('/download/') && hop.key === null, hop.path);
  }
});

check('a redirect that leads elsewhere is an honest error', 1, async ([key]) => {
  for (const to of ['https://evil.example/x', 'http://169.254.169.254/latest/meta-data',
    'https://127.0.0.1:1/x', '//evil.example/x']) {
    await calm();
    await rule({ redirect: { to } });
    const answer = await get('/v1beta/files/abc:download?alt=media', key);
    assert.deepEqual([answer.status, answer.reason], [502, 'POOL_UPSTREAM'], `${to}`);
    assert.equal(answer.headers.location, undefined);
  }
});
