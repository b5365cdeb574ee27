// Answers on their way: byte for byte, at once, told when they break, let go when nobody reads.

import assert from 'node:assert/strict';

import { check, me, serves, told, underWay, until } from './frame.mjs';
import {
  STREAM, ask, begin, chat, generate, open, path, prompt, showing, stream,
} from './http.mjs';
import { arrivals, calm, forget, rule } from './sim.mjs';

const LONG = '[[long 200]]';
const EVENTS = 'text/event-stream';

const event = (text, more = {}) => {
  const candidate = { content: { parts: [{ text }], role: 'model' }, ...more, index: 0 };
  return `data: ${JSON.stringify({ candidates: [candidate] })}\r\n\r\n`;
};

/** Words that a careless reader cuts or mistakes. */
const WORDS = ['plain', 'größer', '漢字かな', '🦀 emoji', '"quoted" error', '{\n}', 'data: x'];

check('a stream\'s bytes are equal to Google\'s', 1, async ([key]) => {
  const many = Array.from({ length: 400 }, (_, n) => event(WORDS[n % WORDS.length]));
  const body = `${many.join('')}\r\n${event('end', { finishReason: 'STOP' })}`;
  await rule({ answer: { status: 200, headers: [['content-type', EVENTS]], body } });
  const answer = await stream(key);
  assert.ok(answer.whole, told(answer));
  assert.equal(answer.headers['content-type'], EVENTS);
  assert.equal(answer.text, body);
});

check('other answers\' bytes are equal to Google\'s too', 1, async ([key]) => {
  const body = '[{"candidates":[]}\n,\r\n{"error":1}\n]'.repeat(500);
  for (const type of ['application/json', 'application/octet-stream', 'text/plain']) {
    await rule({ answer: { status: 200, headers: [['content-type', type]], body } });
    for (const verb of ['generateContent', 'streamGenerateContent']) {
      const answer = await ask('POST', path(verb), showing(key, prompt('x')));
      assert.deepEqual([answer.text === body, answer.whole], [true, true], told(answer));
    }
    await calm();
  }
});

check('the first event arrives before the second is sent', 1, async ([key]) => {
  await rule({ stall_body: { after: 1 } });
  for (const call of [
    () => open('POST', STREAM, showing(key, prompt(LONG))),
    () => open('POST', path('streamGenerateContent'), showing(key, prompt(LONG))),
  ]) {
    const answer = await call();
    assert.ok(await answer.holds('"text"'), 'the stream ended');
    assert.equal((await arrivals()).at(-1).done_ms, null, 'Google has not ended yet');
    answer.leave();
  }
});

/** Streams of both dialects. */
const DIALECTS = [
  (key) => stream(key, LONG),
  (key) => chat(key, { stream: true, messages: [{ role: 'user', content: LONG }] }),
];

/** The events of a stream: each has a `data:` line of JSON, or `[DONE]`. */
function events(answer) {
  const blocks = answer.text.split(/\r\n\r\n|\n\n/).filter((block) => block.trim());
  return blocks.map((block) => {
    assert.match(block.trim(), /^data:/);
    const data = block.trim().slice(5).trim();
    return data === '[DONE]' ? data : JSON.parse(data);
  });
}

/** The stream began well, and ends with one error event; the error. */
function broken(answer, good) {
  assert.equal(answer.status, 200, told(answer));
  const all = events(answer);
  const { error } = all.pop();
  assert.equal(all.length, good, answer.text);
  assert.ok(all.every((one) => one.error === undefined), answer.text);
  assert.ok(error.code > 0 && error.message, answer.text);
  assert.ok(answer.text.endsWith('\r\n\r\n'));
  return error;
}

/** What breaks a stream after so many events. */
const breaks = (after) => [
  { cut_body: { after, rst: false } },
  { cut_body: { after, rst: true } },
  { end_body: { after } },
];

check('a stream that is cut or ends early leaves an error event', 2, async (keys) => {
  for (const dialect of DIALECTS) {
    for (const after of [1, 3]) {
      for (const act of breaks(after)) {
        await rule(act, { times: 1 });
        const answer = await dialect(keys[0]);
        const error = broken(answer, after);
        assert.equal(error.details[0].reason, 'POOL_BROKEN_STREAM', answer.text);
        assert.equal(answer.attempts, 1);
      }
    }
  }
  for (const key of keys) await serves(key);
});

check('an empty stream is a broken one', 1, async ([key]) => {
  await rule({ end_body: { after: 0 } });
  broken(await stream(key, LONG), 0);
});

check('an error within a stream leaves as one event, in whatever form it came', 1,
  async ([key]) => {
    for (const dialect of DIALECTS) {
      for (const form of ['bare', 'data', 'array']) {
        for (const [sample, code] of [['high_demand', 503], ['internal_error', 500]]) {
          await rule({ mid_stream: { after: 2, sample, form } }, { times: 1 });
          assert.equal(broken(await dialect(key), 2).code, code, form);
        }
      }
    }
  });

check('an error that was recorded within a stream is told, and blames no key', 1,
  async ([key]) => {
    await rule({ mid_stream: { after: 1, sample: 'cancelled_mid_stream' } }, { times: 1 });
    const answer = await stream(key, LONG);
    assert.ok(answer.text.includes('"error"'), told(answer));
    await serves(key);
  });

check('a spent quota within a stream has its effect on the key', 2, async (keys) => {
  const act = { mid_stream: { after: 1, sample: 'quota_free_per_day' } };
  await rule(act, { key: keys[1], times: 1 });
  const answers = [await stream(keys[0], LONG), await stream(keys[0], LONG)];
  assert.equal(answers.filter(({ text }) => text.includes('"error"')).length, 1);
  await until(() => me(keys[1]), ({ cooldowns }) => cooldowns.length === 1, 'it does not rest');
});

const array = (key) => ask('POST', path('streamGenerateContent'), showing(key, prompt(LONG)));

check('a JSON array that breaks is never closed, and no error stands in it', 1,
  async ([key]) => {
    for (const rst of [false, true]) {
      await rule({ cut_body: { after: 2, rst } }, { times: 1 });
      const answer = await array(key);
      assert.equal(answer.status, 200, told(answer));
      assert.equal(JSON.parse(`${answer.text}]`).length, 2, answer.text);
      assert.ok(!answer.text.includes('"error"'), answer.text);
    }
  });

check('an answer with a length that breaks is an error or an abort', 1, async ([key]) => {
  for (const act of [{ cut_body: { after: 1 } }, 'length_too_long']) {
    await rule(act, { times: 1 });
    const answer = await generate(key).catch(() => ({ whole: false }));
    const honest = answer.status >= 500 && answer.reason === 'POOL_BROKEN_STREAM';
    assert.ok(honest || !answer.whole, answer.headers && told(answer));
  }
});

check('own streams are judged as well, but not behind a mask', 1, async ([key]) => {
  await rule({ end_body: { after: 2 } });
  broken(await stream(key, LONG, { 'x-potluck-route': 'own' }), 2);
  const masked = await ask('POST', `${STREAM}&fields=candidates`, showing(key, prompt(LONG)));
  assert.ok(masked.whole && !masked.text.includes('error'), told(masked));
});

check('whatever breaks ends by an abort, never as if it were whole', 1, async ([key]) => {
  const late = { mid_stream: { after: 1, sample: 'high_demand' } };
  for (const dialect of [...DIALECTS, array]) {
    for (const act of dialect === array ? breaks(1).slice(0, 2) : [...breaks(1), late]) {
      await rule(act, { times: 1 });
      const answer = await dialect(key);
      assert.deepEqual([answer.status, answer.whole], [200, false], told(answer));
    }
  }
});

/** When a caller leaves: what Google does until then, and what the caller waits for. */
const PHASES = [
  ['before the head of an answer', 'stall_head', path('generateContent')],
  ['before the head of a stream', 'stall_head', STREAM],
  ['within a stream', { stall_body: { after: 2 } }, STREAM],
  ['within an answer', { stall_body: { after: 1 } }, path('generateContent')],
];

for (const own of [false, true]) {
  for (const [phase, act, target] of PHASES) {
    const whose = own ? 'an own call' : 'a call';
    check(`who leaves ${whose} ${phase} frees Google, and the key`, 1, async ([key]) => {
      await rule(act);
      const headers = own ? { 'x-potluck-route': 'own' } : {};
      const request = showing(key, prompt(LONG), headers);
      const calls = Array.from({ length: 10 }, () => begin('POST', target, request));
      await underWay(10);
      calls.forEach((call) => call.leave());
      await underWay(0);
      await calm();
      assert.equal((await generate(key)).status, 200);
    });
  }
}

check('who hangs up in good order frees Google as well', 1, async ([key]) => {
  for (const [phase, act, target] of PHASES) {
    await forget();
    const id = await rule(act);
    const call = begin('POST', target, showing(key, prompt(LONG)));
    await underWay(1);
    call.hangUp();
    await underWay(0).catch(({ message }) => assert.fail(`${phase}: ${message}`));
    await calm(id);
  }
});

check('a slow head is waited for, with the same key', 3, async (keys) => {
  await rule({ slow_head: { ms: 1500 } }, { times: 1 });
  const answer = await generate(keys[0]);
  assert.deepEqual([answer.status, answer.attempts], [200, 1], told(answer));
});

check('a caller\'s patience is kept, and not told to Google', 3, async (keys) => {
  await rule('stall_head', { times: 1 });
  const answer = await generate(keys[0], 'hello', { 'x-server-timeout': '1' });
  assert.deepEqual([answer.status, answer.reason], [504, 'POOL_UPSTREAM_TIMEOUT'], told(answer));
  const [arrival] = await arrivals();
  assert.ok(!arrival.headers.some(([name]) => name === 'x-server-timeout'));
  await underWay(0);
});
