// A pool with Google's stand-in behind it, for the suites of calls: keys that both know, and
// callers who reach the Worker with nobody between.

import assert from "node:assert/strict";

import { migrate, world } from "./local.mjs";
import * as standIn from "./sim.mjs";
import { KEYS, masterKey, said, seat, staged, values } from "./staged.mjs";
import { watched } from "./watch.mjs";

export const sim = await standIn.start();

const MASTER_KEY = await masterKey("master-key");
const DIRECT = { host: "127.0.0.1", port: 0 };
/** Longer than an isolate waits before it tells the object something. */
export const TOLD = 900;
/** A busy machine may be late; what never comes is a failure. */
const PATIENCE = 20_000;

export const MODEL = "gemini-2.5-flash";
export const OTHER_MODEL = "gemini-2.5-flash-lite";
export const path = (model = MODEL, verb = "generateContent") =>
  `/v1beta/models/${model}:${verb}`;
export const prompt = (text) => JSON.stringify({ contents: [{ role: "user", parts: [{ text }] }] });

export const sleep = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

/** Numbers below that. */
export const upTo = (count) => Array.from({ length: count }, (_, n) => n);

/** Waits until what is read holds, or far too long; gives what was read. */
export async function until(read, holds, why) {
  for (const end = Date.now() + PATIENCE; ; await sleep(50)) {
    const value = await read();
    if (holds(value)) return value;
    assert.ok(Date.now() < end, `${why}: ${JSON.stringify(value)}`);
  }
}

/** With so many keys in the pool and at Google's; `changes` are the Worker's. */
export async function table(count, body, { bindings, isolates = 1, ...changes } = {}) {
  const worker = {
    ...(await watched(await world(values.bundle, { DB: "potluck" }), values.bundle)),
    bindings: { POTLUCK_MASTER_KEY: MASTER_KEY, POTLUCK_UPSTREAM: sim.url, ...bindings },
    unsafeDirectSockets: [DIRECT],
    ...changes,
  };
  const all = isolates === 1 ? worker : { workers: [{ ...worker, name: "here" }, there(worker)] };
  await staged(all, async ({ database, direct }) => {
    await sim.reset();
    await sim.seat(KEYS.slice(0, count));
    await migrate(database);
    for (const one of KEYS.slice(0, count)) await seat(database, one);
    const there = isolates === 1 ? undefined : callers(await direct("there"));
    await body({ database, there, ...callers(await direct()) });
  });
}

/** The same Worker in an isolate of its own, as in another city, with the same objects. */
function there(worker) {
  const objects = Object.entries(worker.durableObjects);
  const same = objects.map(([name, object]) => [name, { ...object, scriptName: "here" }]);
  return { ...worker, name: "there", durableObjects: Object.fromEntries(same) };
}

/** What callers do there; `who` is the number of a key, or a key. */
function callers(url) {
  const names = (who) => ({ "x-goog-api-key": KEYS[who]?.key ?? who });
  const ask = async (method, target, who, body, headers = {}) => {
    const shown = who === undefined ? {} : names(who);
    const answer = await fetch(url + target, { method, headers: { ...shown, ...headers }, body });
    return heard(answer, await answer.text());
  };
  return {
    url,
    ask,
    generate: (who, text = "hello", model = MODEL) =>
      ask("POST", path(model), who, prompt(text), { "content-type": "application/json" }),
    peek: (target) => ask("GET", target),
    me: async (who) => (await ask("GET", "/pool/me", who)).json,
    change: (who, limits) => ask("PATCH", "/pool/me", who, JSON.stringify(limits)),
    withdraw: (who) => ask("DELETE", "/pool/me", who),
    /** Asks what stands before the Worker. */
    watch: async (what) => (await ask("GET", `/watched${what ? `/${what}` : ""}`)).json,
  };
}

/** An answer that was read to its end. */
export function heard({ status, headers }, text) {
  said.push(text.slice(0, 4096), JSON.stringify([...headers]));
  return {
    status,
    headers,
    text,
    mark: headers.get("x-potluck-key"),
    servedBy: headers.get("x-potluck-served-by"),
    attempts: Number(headers.get("x-potluck-attempts") ?? 0),
    get json() {
      return JSON.parse(text);
    },
    get reason() {
      return this.json.error?.details?.find(({ reason }) => reason)?.reason;
    },
  };
}

/** An answer in short, for whoever reads why a check failed. */
export const told = ({ status, mark, servedBy, attempts, text }) =>
  `${status} ${mark} ${servedBy} ${attempts} ${text.slice(0, 300)}`;

/** Has a caller make so many calls, one after the other; all are served. */
export async function serve({ generate }, who, times) {
  for (let n = 0; n < times; n += 1) {
    const answer = await generate(who);
    assert.equal(answer.status, 200, told(answer));
  }
}

/** How many calls came to Google with the key since that was forgotten; probes are none. */
export async function uses(n) {
  const calls = (await sim.log()).filter(({ method }) => method === "POST");
  return calls.filter(({ key }) => key === KEYS[n].key).length;
}
