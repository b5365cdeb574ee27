// Answers in shapes that Google's stand-in has no reason to give, in workerd: whatever the shape,
// the caller gets Google's bytes, or an honest error.

import assert from "node:assert/strict";
import http from "node:http";

import { check, conclude } from "./checks.mjs";
import { path, prompt, table } from "./seated.mjs";
import { KEYS } from "./staged.mjs";

const PLACE = JSON.stringify({
  error: {
    code: 400,
    message: "User location is not supported for the API use.",
    status: "FAILED_PRECONDITION",
  },
});
const JSON_TYPE = { "content-type": "application/json; charset=UTF-8" };
const EVENT = `data: ${JSON.stringify({
  candidates: [{ content: { parts: [{ text: "hi" }], role: "model" }, finishReason: "STOP" }],
})}\r\n\r\n`;

/** An upstream that answers as `script` says; `seen` is what it was asked. */
async function upstream(script) {
  const seen = [];
  const server = http.createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      seen.push(request);
      script(response, request, seen.length);
    });
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return { seen, server, url: `http://127.0.0.1:${server.address().port}` };
}

/** A Worker with two known keys in front of such an upstream. */
async function before(script, body) {
  const { seen, server, url } = await upstream(script);
  try {
    await table(2, (here) => body({ ...here, seen }), { bindings: { POTLUCK_UPSTREAM: url } });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Asks with nothing between that would mend or refuse the request. */
function raw({ url }, method, target, headers, body) {
  return new Promise((settle, fail) => {
    const options = { method, agent: false, headers: { "x-goog-api-key": KEYS[0].key, ...headers } };
    const request = http.request(url + target, options, (answer) => {
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("error", () => settle({ status: answer.statusCode, broken: true }));
      answer.on("end", () =>
        settle({ status: answer.statusCode, bytes: Buffer.concat(pieces), broken: false }));
    });
    request.on("error", fail);
    request.end(body);
  });
}

const ask = (here, verb = "generateContent", query = "") =>
  raw(here, "POST", path(undefined, verb) + query, JSON_TYPE, prompt("hello"));

await check("a large text comes whole, with a length and without", () => {
  const text = JSON.stringify({ candidates: [], filler: "x".repeat(1 << 20) });
  const long = (response, _, n) => {
    const length = n % 2 ? {} : { "content-length": text.length };
    response.writeHead(200, { ...JSON_TYPE, ...length });
    for (let at = 0; at < text.length; at += 50_000) response.write(text.slice(at, at + 50_000));
    response.end();
  };
  return before(long, async (here) => {
    for (let times = 0; times < 4; times += 1) {
      const answer = await ask(here);
      assert.deepEqual([answer.status, answer.bytes?.toString() === text], [200, true]);
    }
  });
});

await check("a large text that is cut short of its length does not look whole", () => {
  const cut = (response) => {
    response.writeHead(200, { ...JSON_TYPE, "content-length": 1 << 20 });
    response.write(" ".repeat(1 << 19), () => response.destroy());
  };
  return before(cut, async (here) => assert.ok((await ask(here)).broken));
});

await check("a small text that is cut short is an honest error", () => {
  const cut = (response) => {
    response.writeHead(200, { ...JSON_TYPE, "content-length": 1000 });
    response.write("{", () => response.destroy());
  };
  return before(cut, async (here) => {
    const answer = await ask(here);
    assert.equal(answer.status, 502);
    assert.match(answer.bytes.toString(), /POOL_BROKEN_STREAM/);
  });
});

await check("a stream too is asked for elsewhere where the place is refused, and no key is blamed", () => {
  const once = (response, _, n) => {
    if (n === 1) return response.writeHead(400, JSON_TYPE).end(PLACE);
    return response.writeHead(200, { "content-type": "text/event-stream" }).end(EVENT);
  };
  return before(once, async (here) => {
    const answer = await ask(here, "streamGenerateContent", "?alt=sse");
    assert.deepEqual([answer.status, answer.bytes.toString()], [200, EVENT]);
    assert.equal(here.seen.length, 2);
    const keys = here.seen.map(({ headers }) => headers["x-goog-api-key"]);
    assert.equal(keys[0], keys[1]);
    assert.deepEqual((await here.me(0)).cooldowns, []);
  });
});

await check("an answer without a body has none, and a request without one neither", () => {
  const bare = (response, request) =>
    response.writeHead(request.headers["if-none-match"] ? 304 : 200, JSON_TYPE)
      .end(request.method === "HEAD" || request.headers["if-none-match"] ? undefined : "{}");
  return before(bare, async (here) => {
    const listing = "/v1beta/models";
    const unchanged = await raw(here, "GET", listing, { "if-none-match": "x" });
    assert.deepEqual([unchanged.status, unchanged.bytes.length], [304, 0]);
    const empty = await raw(here, "GET", listing, { "content-length": 0 });
    assert.deepEqual([empty.status, empty.bytes.toString()], [200, "{}"]);
    assert.equal((await raw(here, "HEAD", listing)).status, 200);
  });
});

await check("events that come fast are joined, and none waits for the next", () => {
  const early = EVENT.replace('"finishReason":"STOP"', '"index":0');
  let finish;
  const halting = (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let n = 0; n < 3; n += 1) response.write(early);
    // The rest comes when all of that has reached the caller.
    finish = () => response.end(EVENT);
  };
  return before(halting, async (here) => {
    let text = "";
    const target = `${here.url}${path(undefined, "streamGenerateContent")}?alt=sse`;
    const headers = { ...JSON_TYPE, "x-goog-api-key": KEYS[0].key };
    const answer = await fetch(target, { method: "POST", headers, body: prompt("hello") });
    for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
      text += piece;
      if (text === early.repeat(3)) finish();
    }
    assert.equal(text, early.repeat(3) + EVENT);
  });
});

conclude();
