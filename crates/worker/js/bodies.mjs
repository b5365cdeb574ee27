// Bodies in workerd: what is kept has room of its own, what is not kept streams, and whoever hangs
// up gives the room back.

import assert from "node:assert/strict";
import http from "node:http";

import { check, conclude } from "./checks.mjs";
import {
  OTHER_MODEL, path, prompt, sim, sleep, table, told, until, upTo,
} from "./seated.mjs";
import { KEYS } from "./staged.mjs";

const MIB = 1 << 20;
const FRAME = ["{\"contents\":[{\"role\":\"user\",\"parts\":[{\"inlineData\":{\"mimeType\":",
  "\"image/png\",\"data\":\"", "\"}}]}]}"];
/** The body of a plain call, so many MiB long: a picture. */
const picture = (size) => {
  const frame = FRAME.join("").length;
  return Buffer.from(`${FRAME[0]}${FRAME[1]}${"A".repeat(size * MIB - frame)}${FRAME[2]}`);
};

const LARGE = picture(15);
const MIDDLING = picture(3);
/** Two of these fit an isolate's room, and nothing beside. */
const HELD = OTHER_MODEL;
const json = { "content-type": "application/json" };
const show = (here, body) => here.ask("POST", path(), 0, body, json);

/** Begins a call that nobody answers soon, and sends so much of its body. */
function begin({ url }, body, sent = body.length, target = path(HELD)) {
  const headers = { ...json, "x-goog-api-key": KEYS[0].key, "content-length": body.length };
  const request = http.request(url + target, { method: "POST", agent: false, headers });
  let answered = false;
  request.on("response", (answer) => (answer.resume(), (answered = true)));
  request.on("error", () => {});
  request.write(body.subarray(0, sent));
  if (sent === body.length) request.end();
  return {
    isAnswered: () => answered,
    reset: () => request.socket.resetAndDestroy(),
    close: () => request.socket.destroy(),
  };
}

/** Asks whether there is room just now. Who is refused while the body is on its way may find the connection
 * closed before the refusal is read: that tells nothing, and is asked again. */
const room = (here) => show(here, MIDDLING).catch(() => ({ status: 0 }));

const inFlight = (count) =>
  until(async () => (await sim.counters()).in_flight, (open) => open === count, "in flight");
const isFree = (here) =>
  until(() => room(here), ({ status }) => status === 200, "there is no room");

/** Two calls whose bodies never come whole take the room; who finds none at first tries again. */
async function fill(here) {
  const held = [];
  await until(async () => {
    for (const n of [0, 1]) if (held[n]?.isAnswered() ?? true) held[n] = begin(here, LARGE, MIB);
    await sleep(100);
    return room(here);
  }, ({ status }) => status === 503, "there is room");
  return held;
}

await check("a pooled prompt of 15 MiB is kept whole for a second attempt", () =>
  table(2, async (here) => {
    await here.generate(0);
    await sim.forget();
    await sim.rule({ times: 1, do: { sample: "high_demand" } });
    const answer = await show(here, LARGE);
    assert.deepEqual([answer.status, answer.attempts, answer.mark], [200, 2, "known"]);
    const [one, other] = await sim.log();
    assert.equal(one.body_len, LARGE.length);
    assert.deepEqual([one.body_len, one.body_hash], [other.body_len, other.body_hash]);
    assert.notEqual(one.key, other.key);
  }));

await check("bodies beyond an isolate's room are refused at once, and small ones are not", () =>
  table(1, async (here) => {
    await here.generate(0);
    await sim.rule({ when: { model: HELD }, do: "stall_head" });
    const held = [begin(here, LARGE), begin(here, LARGE)];
    await inFlight(2);
    const answer = await show(here, MIDDLING);
    assert.deepEqual([answer.status, answer.reason], [503, "POOL_BUSY"], told(answer));
    assert.ok(Number(answer.headers.get("retry-after")) > 0);
    assert.equal((await here.generate(0)).status, 200);
    held.forEach(({ reset }) => reset());
    await isFree(here);
    await inFlight(0);
  }));

for (const way of ["reset", "close"]) {
  await check(`who leaves in the midst of a body gives its room back: ${way}`, () =>
    table(1, async (here) => {
      await here.generate(0);
      await sim.forget();
      const held = await fill(here);
      held.forEach((request) => request[way]());
      await isFree(here);
      const models = (await sim.log()).map(({ model }) => model);
      assert.ok(!models.includes(HELD), "what never came whole was sent on");
    }));
}

await check("answers that have begun hold no room", () =>
  table(1, async (here) => {
    await here.generate(0);
    await sim.rule({ when: { model: HELD }, do: { stall_body: { after: 1 } } });
    const stream = `${path(HELD, "streamGenerateContent")}?alt=sse`;
    const held = [0, 1].map(() => begin(here, LARGE, LARGE.length, stream));
    await inFlight(2);
    await isFree(here);
    held.forEach(({ reset }) => reset());
  }));

await check("bodies that do not say how long they are take the room that they need", () =>
  table(1, async (here) => {
    await here.generate(0);
    const body = Buffer.from(prompt("hello"));
    const callers = upTo(8).map(() => unmeasured(here, body.subarray(0, 10)));
    await sleep(300);
    const answers = await Promise.all(callers.map(({ end }) => end(body.subarray(10))));
    assert.deepEqual(answers, upTo(8).map(() => 200));
  }));

/** Begins a call whose body's length is not told. */
function unmeasured({ url }, part) {
  const headers = { ...json, "x-goog-api-key": KEYS[0].key };
  const request = http.request(url + path(), { method: "POST", agent: false, headers });
  request.write(part);
  const status = new Promise((answered, failed) => {
    request.on("response", (answer) => answered(answer.resume().statusCode));
    request.on("error", failed);
  });
  return { end: (rest) => (request.end(rest), status) };
}

await check("what is never kept needs no room: fifty MiB of an upload and of a prompt pass", () =>
  table(1, async (here) => {
    await here.generate(0);
    const held = await fill(here);
    const file = Buffer.alloc(50 * MIB, 7);
    const raw = { "content-type": "image/png", "x-goog-upload-protocol": "raw" };
    const uploaded = await here.ask("POST", "/upload/v1beta/files", 0, file, raw);
    assert.equal(uploaded.status, 200, told(uploaded));
    assert.equal(uploaded.json.file.sizeBytes, String(file.length));
    const endless = picture(50);
    const answer = await show(here, endless);
    assert.deepEqual([answer.status, answer.servedBy], [200, "own"], told(answer));
    assert.equal((await sim.log()).at(-1).body_len, endless.length);
    held.forEach(({ close }) => close());
  }));

conclude();
