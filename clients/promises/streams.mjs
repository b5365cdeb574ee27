// Answers on their way: byte for byte, at once, told when they break, let go when nobody reads.

import assert from 'node:assert/strict';

import { check, me, serves, told, underWay, until } from './frame.mjs';
import {
  STREAM, ask, begin, chat, generate, open, path, prompt, showing, stream,
} from './http.mjs';
import { arrivals, calm, counters, rule } from './sim.mjs';

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

/** The stream began well, and ends with one error event and an abort; the error. */
function broken(answer, good) {
  assert.equal(answer.status, 200, told(answer));
  assert.equal(answer.whole, false, `it ended as if it were whole: ${answer.text}`);
  const all = events(answer);
  const { error } = all.pop();
  assert.equal(all.length, good, answer.text);
  assert.ok(all.every((one) => one.error === undefined), answer.text);
  assert.ok(error.code > 0 && error.message, answer.text);
  assert.ok(answer.text.endsWith('\r\n\r\n'));
  return error;
}

check('a stream that is cut or ends early leaves an error event and an abort', 2,
  async (keys) => {
    for (const dialect of DIALECTS) {
      for (const act of [{ cut_body: { after: 1, rst: false } },
        { cut_body: { after: 3, rst: true } }, { end_body: { after: 1 } },
        { end_body: { after: 3 } }]) {
        await rule(act, { times: 1 });
        const answer = await dialect(keys[0]);
        const [{ after }] = Object.values(act);
        const error = broken(answer, after);
        assert.equal(error.details[0].reason, 'POOL_BROKEN_STREAM', answer.text);
        assert.equal(answer.attempts, 1);
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
    assert.ok(!answer.whole && answer.text.includes('"error"'), told(answer));
    await serves(key);
  });

check('a spent quota within a stream has its effect on the key', 2, async (keys) => {
  const act = { mid_stream: { after: 1, sample: 'quota_free_per_day' } };
  await rule(act, { key: keys[1], times: 1 });
  const answers = [await stream(keys[0], LONG), await stream(keys[0], LONG)];
  assert.equal(answers.filter(({ whole }) => !whole).length, 1);
  await until(() => me(keys[1]), ({ cooldowns }) => cooldowns.length === 1, 'it does not rest');
});

check('a JSON array breaks by abort alone', 1, async ([key]) => {
  for (const rst of [false, true]) {
    await rule({ cut_body: { after: 2, rst } }, { times: 1 });
    const answer = await ask('POST', path('streamGenerateContent'), showing(key, prompt(LONG)));
    assert.deepEqual([answer.status, answer.whole], [200, false], told(answer));
    assert.equal(JSON.parse(`${answer.text}]`).length, 2, answer.text);
  }
});

check('an answer with a length breaks by abort alone', 1, async ([key]) => {
  for (const act of [{ cut_body: { after: 1 } }, 'length_too_long']) {
    await rule(act, { times: 1 });
    const answer = await generate(key).catch((error) => ({ whole: false, error }));
    assert.equal(answer.whole, false, answer.headers && told(answer));
  }
});

check('own streams are judged as well, but not behind a mask', 1, async ([key]) => {
  await rule({ end_body: { after: 2 } });
  broken(await stream(key, LONG, { 'x-potluck-route': 'own' }), 2);
  const masked = await ask('POST', `${STREAM}&fields=candidates`, showing(key, prompt(LONG)));
  assert.ok(masked.whole && !masked.text.includes('error'), told(masked));
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
      assert.equal((await counters()).aborted, 10);
      await calm();
      assert.equal((await generate(key)).status, 200);
    });
  }
}

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
