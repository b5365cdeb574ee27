// A pool with Google's stand-in behind it, for the suites of calls: keys that both know, and
// callers and operators who reach the Worker with nobody between.

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

/** What lets operators in, where [`kitchen`] says nothing else. */
export const ADMIN_TOKEN = "let-the-operators-in";
export const ADMIN = "/pool/admin/v1";
export const bearing = (token) => ({ authorization: `Bearer ${token}` });

/** How operators name a key, and several in an order of their own. */
export const name = (n) => `k_${Buffer.from(KEYS[n].id).toString("hex")}`;
export const named = (numbers) => numbers.map(name).sort();
/** A name that no key has. */
export const UNKNOWN = `k_${"0".repeat(32)}`;
/** Keys as they are added, one a line. */
export const lines = (numbers) => numbers.map((n) => KEYS[n].key).join("\n");

/** A table with an operator at it. */
export const kitchen = (count, body, { bindings, ...changes } = {}) =>
  table(count, (here) => body(here, operator(here)),
    { bindings: { POTLUCK_ADMIN_TOKEN: ADMIN_TOKEN, ...bindings }, ...changes });

/** What whoever shows these headers asks there, from our own page: no other may read an answer. */
export function operator({ ask, url }, shown = bearing(ADMIN_TOKEN)) {
  const send = async (method, target, body, headers) => {
    const text = typeof body === "object" ? JSON.stringify(body) : body;
    const all = { origin: url, ...shown, ...headers };
    const answer = await ask(method, ADMIN + target, undefined, text, all);
    assert.equal(answer.headers.get("access-control-allow-origin"), null, target);
    return answer;
  };
  const read = async (...sent) => {
    const answer = await send(...sent);
    assert.equal(answer.status, 200, told(answer));
    return answer.json;
  };
  return {
    send,
    look: (target) => read("GET", target),
    key: (n) => read("GET", `/keys/${name(n)}`),
    put: (n, disabled) => send("PATCH", `/keys/${name(n)}`, { disabled }),
    erase: (n) => send("DELETE", `/keys/${name(n)}`),
    add: (text, query = "") => read("POST", `/keys${query}`, text),
    decide: (act, keys) => read("POST", "/keys/changes", { do: act, keys }),
    pages: (query) => pages((target) => read("GET", target), query),
  };
}

/** The ids of all such keys, three a page; none is told twice. */
async function pages(look, query = "") {
  const seen = [];
  for (let turns = 0, after = 0; after !== null; turns += 1) {
    assert.ok(turns < 50, "there is always a next page");
    const page = await look(`/keys?limit=3&after=${after}${query}`);
    assert.ok(page.keys.length <= 3);
    seen.push(...page.keys.map(({ id }) => id));
    after = page.next;
  }
  assert.equal(new Set(seen).size, seen.length, "a key is told twice");
  return seen.sort();
}

/** An answer says no, and why. */
export function refused(answer, status, reason) {
  assert.deepEqual([answer.status, answer.reason], [status, reason], told(answer));
}

/** How many rows D1 has in that table. */
export const rows = async ({ database }, from) =>
  (await database.prepare(`SELECT count(*) AS count FROM ${from}`).first()).count;
