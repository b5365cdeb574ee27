// What the promises share: named checks, each with a table of its own in a pool that is empty
// otherwise, and keys that are canaries.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { ask, generate, get, heard, showing } from './http.mjs';
import { admit, calm, calls, forget } from './sim.mjs';

/** A busy machine may be late; what never comes is a failure. */
const SOON = 15_000;
/** So long may one check take. */
const LIMIT = 120_000;
/** So many keys are taken out together. */
const AT_ONCE = 50;
/** So many characters of a key are a part of it. */
const PART = 10;

const checks = [];
const canaries = [];
let seated = [];

/** Declares a check with so many keys at the table, in whose place `act` gets them. */
export const check = (name, seats, act) => checks.push({ name, seats, act });

/** Keys that nobody has seen yet, and Google alone knows. */
export async function fresh(count) {
  const keys = Array.from({ length: count }, unknown);
  await admit(keys);
  return keys;
}

/** A key that Google does not know either. */
export function unknown() {
  const key = `AIzaSy${randomBytes(30).toString('base64url').slice(0, 33)}`;
  canaries.push(key);
  seated.push(key);
  return key;
}

/** Lets keys join, each by a call of its own, and Google forget how they came. */
async function seat(count) {
  const keys = await fresh(count);
  for (const key of keys) {
    const answer = await generate(key, 'let me join');
    assert.equal(answer.mark, 'stored', told(answer));
  }
  await forget();
  return keys;
}

/** Takes every key out of the pool again, and every fault out of the stand-in. */
async function clear() {
  await calm();
  const keys = seated;
  seated = [];
  // Some at a time: one address has only so many connections.
  while (keys.length > 0) {
    await Promise.all(keys.splice(0, AT_ONCE).map((key) => withdraw(key)));
  }
  await forget();
}

export const withdraw = (key) => ask('DELETE', '/pool/me', showing(key));

/** A contributor's view of the key. */
export async function me(key) {
  const answer = await get('/pool/me', key);
  assert.equal(answer.status, 200, told(answer));
  return answer.json;
}

export const change = (key, limits) => ask('PATCH', '/pool/me', showing(key, limits));

/** The key is lent as ever: nothing rests, nothing is held against it. */
export async function serves(key) {
  const { state, cooldowns } = await me(key);
  assert.deepEqual({ state, cooldowns }, { state: 'active', cooldowns: [] });
}

/** An answer in short, for whoever reads why a check failed. */
export const told = ({ status, headers, text }) =>
  `${status} ${JSON.stringify(headers)} ${text.slice(0, 300)}`;

/** An answer's status, server and attempts are these. */
export function was(answer, status, servedBy, attempts) {
  const facts = [answer.status, answer.servedBy, answer.attempts];
  assert.deepEqual(facts, [status, servedBy, attempts], told(answer));
}

/** A refusal of our own: Google's shape, and a word for machines. */
export function refused(answer, status, reason) {
  assert.deepEqual([answer.status, answer.reason], [status, reason], told(answer));
  const { code, details } = answer.error;
  assert.deepEqual([code, details[0].domain], [status, 'potluck'], told(answer));
}

/** Nothing was asked upstream. */
export const asked = async (count) => assert.equal((await calls()).length, count);

/** Waits until what is read holds, or far too long. */
export async function until(read, holds, why) {
  const end = Date.now() + SOON;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    assert.ok(Date.now() < end, `${why}: ${JSON.stringify(value)}`);
    await new Promise((wake) => setTimeout(wake, 25));
  }
}

/** Waits until so many of the requests since the last `forget` are under way at Google's. */
export const underWay = (count) => until(
  async () => (await calls()).filter(({ done_ms, aborted_ms }) => !done_ms && !aborted_ms),
  (open) => open.length === count,
  `${count} under way`,
);

/** Runs what was declared, `filter` in its name; prints a line for each; exits 1 if any failed. */
export async function main(filter = '') {
  const chosen = checks.filter(({ name }) => name.includes(filter));
  let failed = 0;
  for (const one of chosen) {
    const began = performance.now();
    try {
      await within(LIMIT, () => run(one));
      console.log(`ok   ${one.name} (${((performance.now() - began) / 1000).toFixed(2)} s)`);
    } catch (error) {
      failed += 1;
      const why = String(error?.message ?? error).slice(0, 1500).replaceAll(/\s+/g, ' ');
      console.log(`FAIL ${one.name}: ${why}`);
      if (process.env.TRACE) console.log(error);
    }
    await clear().catch((error) => console.log(`     not cleared: ${error.message}`));
  }
  process.exit(failed > 0 ? 1 : 0);
}

const run = async ({ seats, act }) => act(await seat(seats));

// The timer keeps Node going where a check waits for nothing that could come any more.
async function within(ms, act) {
  let timer;
  const late = new Promise((_, no) => {
    timer = setTimeout(() => no(new Error('timed out')), ms);
  });
  await Promise.race([act(), late]).finally(() => clearTimeout(timer));
}

/** Throws if a key, or a part of one, stands in anything that was answered or logged. */
export async function lookThrough() {
  const parts = new Map();
  for (const key of canaries) {
    for (let at = 6; at + PART <= key.length; at += 1) parts.set(key.slice(at, at + PART), key);
  }
  const said = await readFile(process.env.POTLUCK_LOG, 'utf8');
  for (const text of [said, ...heard]) {
    for (let at = 0; at + PART <= text.length; at += 1) {
      const part = text.slice(at, at + PART);
      const before = text.slice(Math.max(0, at - 200), at);
      assert.ok(!parts.has(part), `…${before}>>>${part}`);
    }
  }
  return heard.length;
}
