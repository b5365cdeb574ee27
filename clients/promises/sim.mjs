// Google's stand-in, steered over its control interface.

import { SIM_URL } from './http.mjs';

async function control(method, target, body) {
  const init = { method, body: body && JSON.stringify(body) };
  const answer = await fetch(`${SIM_URL}/sim/${target}`, init);
  if (!answer.ok) throw new Error(`${method} /sim/${target}: ${await answer.text()}`);
  return answer.json();
}

/** Lets the stand-in know keys, each of a project of its own. */
export const admit = (keys) =>
  control('POST', 'keys', keys.map((key) => ({ key, project: project(), tier: 'unmetered' })));

let projects = 200_000_000_000;
const project = () => (projects += 1);

/** From now on a key is in that state. */
export const become = (key, state) => control('PATCH', 'keys', { key, state });

/**
 * From now on this happens to calls; gives the rule's number. What is to happen so many `times` is
 * kept from the probes that a pool sends of its own accord.
 */
export async function rule(act, { key, path, times } = {}) {
  const when = { key, path, method: times && 'POST' };
  return (await control('POST', 'rules', { when, times, do: act })).id;
}

/** Takes one rule back, or all. */
export const calm = (id) => control('DELETE', id === undefined ? 'rules' : `rules?id=${id}`);

/** What arrived since the last `forget`, in order. */
export const arrivals = () => control('GET', 'log');

/** The same, less the probes that a pool sends of its own accord. */
export const calls = async () =>
  (await arrivals()).filter(({ method, path }) => method !== 'GET' || path !== '/v1beta/models');

export const forget = () => control('DELETE', 'log');

export const counters = () => control('GET', 'counters');

/** Every recorded error: name, status, body. */
export const samples = () => control('GET', 'samples');

/** How often each of these keys was shown. */
export async function shares(keys) {
  const seen = await calls();
  return keys.map((key) => seen.filter((arrival) => arrival.key === key).length);
}

/** The keys that were shown, each once. */
export const seen = async () =>
  [...new Set((await calls()).map(({ key }) => key).filter(Boolean))].sort();

/** The hash that the stand-in remembers of a body: FNV-1a, 64 bit. */
export function fnv(text) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}
