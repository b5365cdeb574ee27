// Live sockets in workerd, with Google's stand-in behind: pooled where they are plain, own where
// they are not, told when they end. What the native edition promises of them is promised here too.

import assert from "node:assert/strict";
import { once } from "node:events";

import { check, conclude } from "./checks.mjs";
import { MODEL, knock, sleep, turn } from "./client.mjs";
import { WebSocketServer, migrate, world } from "./local.mjs";
import * as standIn from "./sim.mjs";
import { KEYS, masterKey, said, seat, staged, values } from "./staged.mjs";
import { watched } from "./watch.mjs";

const MASTER_KEY = await masterKey("master-key");
const sim = await standIn.start();

const SERVICE = "ws/google.ai.generativelanguage.v1beta.GenerativeService.";
const BIDI = `${SERVICE}BidiGenerateContent`;
const QUOTA = "You exceeded your current quota, please check your plan and billing details.";
const COMPLETE = { setupComplete: {} };
/** Longer than an isolate waits before it tells the object something. */
const TOLD = 900;

const names = (n) => ({ "x-goog-api-key": KEYS[n].key });

/** With so many keys, in the pool and at Google's. */
const set = (count, body, { upstream = sim.url, ...changes } = {}) =>
  staged(
    { bindings: { POTLUCK_MASTER_KEY: MASTER_KEY, POTLUCK_UPSTREAM: upstream }, ...changes },
    async ({ get, database, url }) => {
      await sim.reset();
      await sim.seat(KEYS.slice(0, count));
      await migrate(database);
      for (const one of KEYS.slice(0, count)) await seat(database, one);
      const open = (n, path = BIDI, headers = names(n)) => knock(url, path, headers);
      const me = async (n) => (await get("/pool/me", { headers: names(n) })).json();
      await body({ get, open, me });
    },
  );

/** Waits until the stand-in has so many sockets open. */
async function untilOpen(count, why) {
  for (let tries = 0; tries < 40; tries += 1) {
    if ((await sim.counters()).in_flight === count) return;
    await sleep(50);
  }
  assert.fail(`${why}: ${JSON.stringify(await sim.counters())}`);
}

const closing = (n, code, reason) =>
  sim.rule({ when: { key: KEYS[n].key }, do: { close_live: { code, reason } } });
const keysSeen = async () => new Set((await sim.log()).map(({ key }) => key));
const keyUsed = async () => (await sim.log()).at(-1).key;

await check("live: plain sockets are shared like calls, text and binary", () =>
  set(3, async ({ open }) => {
    for (let n = 0; n < 6; n += 1) {
      const binary = n % 2 === 1;
      const client = await open(0);
      assert.match(client.head["x-request-id"], /^[0-9a-f]{16}$/);
      assert.deepEqual(await client.setUp({}, binary), COMPLETE);
      assert.equal(await client.ask("hello", binary), "You said: hello");
      assert.match(await client.ask("2 + 2", !binary), /The answer is 4\./);
      client.socket.close(1000);
      assert.deepEqual(await client.said(), [1000, ""]);
    }
    await untilOpen(0, "closed sockets stay open");
    const { by_key } = await sim.counters();
    assert.deepEqual(KEYS.slice(0, 3).map(({ key }) => by_key[key]), [2, 2, 2]);
    for (const { query, headers } of await sim.log()) {
      const fields = headers.map(([name]) => name.toLowerCase());
      assert.deepEqual([query, fields.includes("authorization")], [null, false]);
    }
  }));

await check("live: keys are shown in the usual ways, and one must be", () =>
  set(1, async ({ open, get }) => {
    const { key } = KEYS[0];
    for (const [path, headers] of [[`${BIDI}?key=${key}`, {}], [`/.//${BIDI}?key=${key}`, {}],
      [BIDI, { authorization: `Bearer ${key}` }],
      [BIDI.replace("v1beta", "v1alpha"), { "x-goog-api-key": key }]]) {
      assert.deepEqual(await (await open(0, path, headers)).setUp(), COMPLETE, path);
      assert.equal(await keyUsed(), key);
    }
    await assert.rejects(open(0, BIDI, {}), (status) => status === 403);
    const plain = await get(`/${BIDI}`, { headers: names(0) });
    assert.equal(plain.status, 400);
    assert.match((await plain.json()).error.message, /ask for an upgrade/);
  }));

await check("live: another key is tried until the setup is accepted", () =>
  set(3, async ({ open, me }) => {
    await closing(0, 1007, "API key expired. Please renew the API key.");
    await closing(1, 1011, QUOTA);
    for (let n = 0; n < 3; n += 1) {
      const client = await open(2);
      assert.deepEqual(await client.setUp(), COMPLETE);
      assert.equal(await keyUsed(), KEYS[2].key);
      client.socket.terminate();
    }
    const { by_key } = await sim.counters();
    assert.deepEqual([by_key[KEYS[1].key], by_key[KEYS[2].key]], [1, 3]);
    const [{ family }] = (await me(1)).cooldowns;
    assert.equal(family, "live");
  }));

await check("live: a handshake that is refused is a failed attempt too", () =>
  set(2, async ({ open }) => {
    const { key } = KEYS[0];
    await sim.rule({ when: { key }, do: { answer: { status: 503, body: { error: { code: 503,
      message: "The model is overloaded.", status: "UNAVAILABLE" } } } } });
    await sim.rule({ when: { key: KEYS[1].key }, times: 1, do: { cut_before_head: {} } });
    for (let n = 0; n < 4; n += 1) {
      const end = await (await open(1)).setUp();
      if (Array.isArray(end)) assert.deepEqual(end.slice(0, 1), [1011]);
      else assert.equal(await keyUsed(), KEYS[1].key);
    }
  }));

await check("live: a caller's fault goes back at once and costs no key anything", () =>
  set(2, async ({ open, me }) => {
    const client = await open(0);
    client.send({ setup: { model: "models/no-such-model" } });
    const [code, reason] = await client.said();
    assert.equal(code, 1008);
    assert.match(reason, /no-such-model/);
    assert.equal((await sim.counters()).requests, 1);
    const strange = await open(0);
    strange.send({ clientContent: {} });
    assert.equal((await strange.said())[0], 1007);
    for (const n of [0, 1]) assert.equal((await me(n)).state, "active");
  }));

await check("live: what is bound, costs or is insisted on is own", () =>
  set(3, async ({ open }) => {
    for (const more of [{ sessionResumption: {} }, { tools: [{ googleSearch: {} }] },
      { somethingOfTomorrow: {} }, { generationConfig: { responseModalities: ["AUDIO"] } }]) {
      for (let n = 0; n < 3; n += 1) {
        assert.deepEqual(await (await open(1)).setUp(more), COMPLETE, JSON.stringify(more));
      }
    }
    const insisting = { ...names(1), "x-potluck-route": "own" };
    for (let n = 0; n < 3; n += 1) {
      assert.deepEqual(await (await open(1, BIDI, insisting)).setUp(), COMPLETE);
    }
    const music = await open(1, `${SERVICE}BidiGenerateMusic`);
    music.send({ setup: { model: "models/lyria-realtime-exp" } });
    await music.said();
    assert.deepEqual(await keysSeen(), new Set([KEYS[1].key]));
  }));

await check("live: a later frame that points at state ends a pooled socket alone", () =>
  set(2, async ({ open }) => {
    const fileUri = "https://generativelanguage.googleapis.com/v1beta/files/abc";
    const parts = [{ fileData: { fileUri, mimeType: "image/png" } }];
    const foreign = { clientContent: { turns: [{ role: "user", parts }], turnComplete: true } };
    const ends = new Map();
    for (const binary of [false, true, false, true]) {
      const client = await open(0);
      assert.deepEqual(await client.setUp(), COMPLETE);
      const used = await keyUsed();
      client.send(foreign, binary);
      ends.set(`${used === KEYS[0].key ? "own" : "pooled"} ${binary}`, await client.said());
    }
    await untilOpen(0, "a socket stays open");
    for (const [socket, [code, reason]] of ends) {
      const ours = /^POOL_NEEDS_OWN_KEY: this socket is pooled/.test(reason);
      assert.deepEqual([code, ours], [1008, socket.startsWith("pooled")], `${socket}: ${reason}`);
    }
    assert.ok([...ends.keys()].some((socket) => socket.startsWith("pooled")));
  }));

await check("live: codes and reasons come through, and no key in them", () =>
  set(1, async ({ open }) => {
    const reason = `Consumer 'api_key:${KEYS[0].key}' projects/12345 is odd`;
    for (const act of ["close_live", "close_live_turn"]) {
      await sim.clear();
      await sim.rule({ do: { [act]: { code: 1008, reason } } });
      const client = await open(0);
      let end = await client.setUp();
      if (act === "close_live_turn") {
        assert.deepEqual(end, COMPLETE);
        end = await client.ask("hello");
      }
      assert.equal(end[0], 1008);
      assert.match(end[1], /is odd$/);
      assert.ok(!end[1].includes(KEYS[0].key) && !end[1].includes("12345"), end[1]);
    }
  }));

await check("live: what Google closes with in the middle has its effect on the key", () =>
  set(2, async ({ open, me }) => {
    await sim.rule({ when: { key: KEYS[1].key },
      do: { close_live_turn: { code: 1011, reason: QUOTA } } });
    const ends = [];
    for (let n = 0; n < 2; n += 1) {
      const client = await open(0);
      assert.deepEqual(await client.setUp(), COMPLETE);
      ends.push(await client.ask("hello"));
    }
    assert.ok(ends.some((end) => Array.isArray(end) && end[0] === 1011 && end[1] === QUOTA));
    await sleep(TOLD);
    assert.equal((await me(1)).cooldowns.length, 1);
  }));

await check("live: a cut is told as a close", () =>
  set(1, async ({ open }) => {
    await sim.rule({ do: { cut_body: { after: 1, rst: true } } });
    const client = await open(0);
    assert.deepEqual(await client.setUp(), COMPLETE);
    const [code, reason] = await client.ask("hello");
    assert.equal(code, 1011);
    assert.match(reason, /^POOL_NO_ANSWER: /);
  }));

await check("live: who leaves frees Google, before the setup and after, in any way", () =>
  set(1, async ({ open }) => {
    for (const leave of ["close", "terminate"]) {
      const client = await open(0);
      assert.deepEqual(await client.setUp(), COMPLETE);
      await untilOpen(1, "not open");
      client.socket[leave]();
      await untilOpen(0, `${leave} after the setup`);
    }
    assert.equal((await sim.counters()).aborted, 0, "Google is told, not cut off");
    await sim.rule({ do: "stall_head" });
    for (const leave of ["close", "terminate"]) {
      const client = await open(0);
      client.send({ setup: { model: MODEL } });
      await untilOpen(1, "not asked");
      client.socket[leave]();
      await untilOpen(0, `${leave} before the setup`);
    }
  }));

await check("live: the object hears of a socket that is open, and that it has ended", async () => {
  const watching = await watched(await world(values.bundle, { DB: "potluck" }), values.bundle);
  await set(1, async ({ open, get }) => {
    const told = async () => {
      await sleep(TOLD);
      const all = await (await get("/watched/told")).json();
      return all.map((one) => Object.keys(one)[0]);
    };
    for (const leave of ["close", "terminate"]) {
      const client = await open(0);
      assert.deepEqual(await client.setUp(), COMPLETE);
      const opened = await told();
      assert.ok(opened.includes("Served") && !opened.includes("Ended"), opened);
      client.socket[leave]();
      assert.deepEqual((await told()).filter((what) => what !== "GivenBack"), ["Ended"]);
    }
  }, watching);
});

await check("live: an exhausted pool closes here", () =>
  set(2, async ({ open }) => {
    await closing(0, 1011, QUOTA);
    await closing(1, 1011, QUOTA);
    assert.equal((await (await open(0)).setUp())[0], 1011);
    const asked = (await sim.counters()).requests;
    const [code, reason] = await (await open(0)).setUp();
    assert.equal(code, 1011);
    assert.match(reason, /rests/);
    assert.equal((await sim.counters()).requests, asked);
  }));

await check("live: a socket proves no key, and a refused one is not asked again at once", () =>
  set(1, async ({ open, get }) => {
    await sim.seat([KEYS[0], KEYS[7]]);
    assert.deepEqual(await (await open(7)).setUp(), COMPLETE);
    assert.equal((await get("/pool/me", { headers: names(7) })).status, 404);
    for (let n = 0; n < 2; n += 1) {
      const [code] = await (await open(8)).setUp();
      assert.equal(code, 1007);
    }
    assert.equal((await sim.counters()).by_key[KEYS[8].key], 1);
  }));

await check("live: what comes before Google is there waits, up to a limit", () =>
  set(1, async ({ open }) => {
    await sim.rule({ times: 1, do: { slow_head: { ms: 500 } } });
    const hasty = await open(0);
    hasty.send({ setup: { model: MODEL } });
    hasty.send({ clientContent: { turns: [{ role: "user", parts: [{ text: "one" }] }] } });
    hasty.send(turn("two"), true);
    assert.deepEqual(await hasty.said(), COMPLETE);
    assert.match(await hasty.listen(), /two/);
    await sim.rule({ times: 1, do: "stall_head" });
    const flooding = await open(0);
    flooding.send({ setup: { model: MODEL } });
    for (let n = 0; n < 40; n += 1) flooding.send(turn("x".repeat(100_000)));
    const [code, reason] = await flooding.said();
    assert.equal(code, 1013);
    assert.match(reason, /^POOL_TOO_EARLY: /);
    await untilOpen(1, "Google is still asked");
  }));

await check("live: a message of many megabytes passes, a larger one ends the socket", () =>
  set(1, async ({ open }) => {
    const client = await open(0);
    assert.deepEqual(await client.setUp(), COMPLETE);
    const data = "A".repeat(12 << 20);
    client.send({ realtimeInput: { audio: { data, mimeType: "audio/pcm" } } });
    client.send({ realtimeInput: { audioStreamEnd: true } });
    assert.match(await client.listen(), /9437184 bytes of sound/);
    client.send({ realtimeInput: { audio: { data: data + data, mimeType: "audio/pcm" } } });
    assert.equal((await client.said())[0], 1009);
    await untilOpen(0, "Google's end stays open");
  }));

await check("live: where Google does not serve us it is asked from elsewhere", () =>
  set(1, async ({ open, me }) => {
    const reason = "User location is not supported for the API use.";
    await sim.rule({ times: 1, do: { close_live: { code: 1007, reason } } });
    const client = await open(0);
    assert.deepEqual(await client.setUp(), COMPLETE);
    assert.equal(await client.ask("hello"), "You said: hello");
    assert.equal((await sim.counters()).requests, 2);
    assert.equal((await me(0)).state, "active");
  }));

await check("live: ephemeral tokens pass untouched on their own sockets alone", () =>
  set(2, async ({ open, get }) => {
    const made = await get("/v1alpha/auth_tokens", { method: "POST",
      headers: { ...names(1), "content-type": "application/json" }, body: '{"uses":5}' });
    const { name: token } = await made.json();
    const path = `${SERVICE.replace("v1beta", "v1alpha")}BidiGenerateContentConstrained`;
    const authorization = `Token ${token}`;
    const byHeader = await open(1, path, { authorization });
    assert.deepEqual(await byHeader.setUp(), COMPLETE);
    const heard = new Map((await sim.log()).at(-1).headers);
    assert.equal(heard.get("authorization"), authorization);
    const byQuery = await open(1, `${path}?access_token=${token}`, {});
    assert.deepEqual(await byQuery.setUp(), COMPLETE);
    assert.equal(await byQuery.ask("hello"), "You said: hello");
    assert.equal((await sim.log()).at(-1).query, `access_token=${token}`);
    const before = (await sim.counters()).requests;
    await assert.rejects(open(1, BIDI, { authorization }), (status) => status === 400);
    const bad = await open(1, `${path}?access_token=auth_tokens/unknown`, {});
    assert.equal((await bad.setUp()).length, 2);
    assert.equal((await sim.counters()).requests, before + 1);
  }));

await check("live: frames stay what they are, both ways, and so does a close", async () => {
  const google = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  google.on("connection", (socket) =>
    socket.on("message", (bytes, binary) => {
      if (String(bytes) === "leave") socket.close();
      else socket.send(bytes, { binary });
    }));
  await once(google, "listening");
  try {
    await set(1, async ({ open }) => {
      const client = await open(0, `${SERVICE}BidiGenerateMusic`);
      for (const binary of [true, false, true]) {
        const text = `{"binary":${binary},"letters":"äöü€"}`;
        client.socket.send(binary ? Buffer.from(text) : text);
        assert.deepEqual(await client.frame(), { text, binary });
      }
      client.socket.send("leave");
      assert.deepEqual(await client.said(), [1005, ""]);
    }, { upstream: `http://127.0.0.1:${google.address().port}` });
  } finally {
    google.close();
  }
});

await check("live: the platform complains of nothing, and no key was in any word", () => {
  assert.equal(said.find((text) => /web-socket\.c\+\+|waitUntil|Uncaught/.test(text)), undefined);
  assert.ok(said.length > 100);
  for (const { key } of KEYS) {
    assert.equal(said.find((text) => text.includes(key.slice(-12))), undefined);
  }
});

conclude();
