// Live sockets: pooled where they are plain, own where they are not, told when they end.

import assert from 'node:assert/strict';

import { check, me, serves } from './frame.mjs';
import { BASE_URL } from './http.mjs';
import { calls, calm, forget, rule, samples, seen, shares } from './sim.mjs';

const MODEL = 'models/gemini-live-2.5-flash-preview';
const SERVICE = '/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent';
const QUOTA =
  'You exceeded your current quota, please check your plan and billing details.';

/** A socket of which every message is awaited in turn; a close is a message too. */
class Talk {
  constructor(key) {
    const base = BASE_URL.replace('http', 'ws');
    this.socket = new WebSocket(`${base}${SERVICE}?key=${key}`);
    this.said = [];
    this.socket.onmessage = ({ data }) => this.hear(this.read(data));
    this.socket.onclose = ({ code, reason }) => this.hear({ code, reason });
    this.opened = new Promise((open) => {
      this.socket.onopen = open;
      this.socket.onerror = open;
    });
  }

  async read(data) {
    return JSON.parse(typeof data === 'string' ? data : await data.text());
  }

  hear(message) {
    this.said.push(message);
    this.wake?.();
  }

  async next() {
    while (this.said.length === 0) await new Promise((wake) => (this.wake = wake));
    return this.said.shift();
  }

  /** Sets the socket up; what was said to that. */
  async setUp(more = {}) {
    await this.opened;
    const generationConfig = { responseModalities: ['TEXT'] };
    this.send({ setup: { model: MODEL, generationConfig, ...more } });
    return this.next();
  }

  send(message) {
    this.socket.send(JSON.stringify(message));
  }

  /** Says something; all that was answered, up to the turn's end or the close. */
  async say(text) {
    const turns = [{ role: 'user', parts: [{ text }] }];
    this.send({ clientContent: { turns, turnComplete: true } });
    const answers = [];
    for (;;) {
      const message = await this.next();
      answers.push(message);
      if (message.code || message.serverContent?.turnComplete) return answers;
    }
  }
}

/** Sets a socket up for that key's bearer; what was said. */
async function setUp(key, more) {
  const talk = new Talk(key);
  const said = await talk.setUp(more);
  talk.socket.close();
  return said;
}

const complete = { setupComplete: {} };

check('Live: plain sockets are shared like calls', 3, async (keys) => {
  for (let n = 0; n < 6; n += 1) {
    const talk = new Talk(keys[0]);
    assert.ok('setupComplete' in (await talk.setUp()));
    assert.match(JSON.stringify(await talk.say('hello')), /You said: hello/);
    talk.socket.close();
  }
  assert.deepEqual(await shares(keys), [2, 2, 2]);
});

check('Live: what is bound, costs more or is unknown goes with the own key', 3,
  async (keys) => {
    for (const more of [{ sessionResumption: {} }, { somethingOfTomorrow: {} },
      { tools: [{ googleSearch: {} }] }]) {
      assert.ok('setupComplete' in (await setUp(keys[1], more)), JSON.stringify(more));
    }
    assert.deepEqual(await seen(), [keys[1]]);
  });

check('Live: another key is tried until Google says that the setup is complete', 3,
  async (keys) => {
    await rule({ close_live: { code: 1011, reason: QUOTA } }, { key: keys[2] });
    for (let n = 0; n < 4; n += 1) assert.ok('setupComplete' in (await setUp(keys[0])));
    assert.deepEqual((await shares(keys))[2], 1, 'it rests');
    assert.equal((await me(keys[2])).cooldowns[0].family, 'live');
  });

for (const sample of (await samples()).filter(({ name }) => name.startsWith('live_close_1007'))) {
  const { ws_close_code: code, reason } = sample.body;
  const name = `Live: ${sample.name}`;
  if (sample.name.endsWith('key_dead')) {
    check(`${name}: the next key serves`, 3, async (keys) => {
      await rule({ close_live: { code, reason } }, { key: keys[1] });
      for (let n = 0; n < 3; n += 1) assert.ok('setupComplete' in (await setUp(keys[0])));
      assert.deepEqual((await shares(keys))[1], 1);
    });
  } else {
    check(`${name}: told at once, and every key stays in service`, 3, async (keys) => {
      await rule({ close_live: { code, reason } });
      const said = await setUp(keys[0]);
      assert.ok(said.code >= 1000, JSON.stringify(said));
      if (sample.name.endsWith('caller')) assert.deepEqual(said, { code, reason });
      assert.equal((await calls()).length, 1);
      await calm();
      await forget();
      for (const key of keys) await serves(key);
    });
  }
}

check('Live: a caller\'s fault closes with Google\'s words at once', 3, async (keys) => {
  const reason = 'models/gemini-5-live is not found for API version v1beta';
  await rule({ close_live: { code: 1008, reason } });
  assert.deepEqual(await setUp(keys[0]), { code: 1008, reason });
  assert.equal((await calls()).length, 1);
  for (const key of keys) await serves(key);
});

check('Live: a pool that rests closes here', 2, async (keys) => {
  await rule({ close_live: { code: 1011, reason: QUOTA } });
  assert.equal((await setUp(keys[0])).code, 1011);
  await calm();
  await forget();
  const { code, reason } = await setUp(keys[0]);
  assert.equal(code, 1011);
  assert.match(reason, /rests/);
  assert.equal((await calls()).length, 0);
});

check('Live: a later frame that points at state ends a pooled socket alone', 2,
  async (keys) => {
    const fileUri = 'https://generativelanguage.googleapis.com/v1beta/files/abc';
    const part = { fileData: { fileUri, mimeType: 'image/png' } };
    const turns = [{ role: 'user', parts: [part] }];
    const ends = {};
    for (let n = 0; n < 2; n += 1) {
      await forget();
      const talk = new Talk(keys[0]);
      assert.deepEqual(await talk.setUp(), complete);
      const [{ key }] = await calls();
      talk.send({ clientContent: { turns, turnComplete: true } });
      ends[key] = await talk.next();
    }
    assert.doesNotMatch(ends[keys[0]].reason, /POOL_/, 'the own socket');
    assert.equal(ends[keys[1]].code, 1008);
    assert.match(ends[keys[1]].reason, /POOL_NEEDS_OWN_KEY/);
  });
