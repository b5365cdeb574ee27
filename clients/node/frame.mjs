// What the Node suites share: named checks, and what Google's stand-in saw meanwhile. The Python
// suites' frame.py says more; the two agree.

export const { BASE_URL, BASE_URL_TLS, SIM_URL } = process.env;
export const KEYS = process.env.KEYS.split(',');
export const OWN = KEYS[0];
export const NOBODYS = 'AIzaSyNobodyKnowsThisKeyAtAll0000000000';

export const FLASH = 'gemini-2.5-flash';
export const LITE = 'gemini-2.5-flash-lite';
export const THINKER = 'gemini-3-flash-preview';
export const EMBEDDER = 'gemini-embedding-001';
export const LIVE = 'gemini-3.1-flash-live-preview';
export const IMAGEN = 'imagen-4.0-generate-001';

// What the stand-in can be asked to do to the requests that follow.
export const BROKEN_STREAM = { times: 1, do: { cut_body: { after: 1 } } };
export const EVERY_KEY_SPENT = { do: { sample: 'quota_free_per_day' } };
export const MISREAD = { times: 1, do: { sample: 'invalid_argument_generic' } };
export const OVERLOADED = { do: { sample: 'high_demand' } };

const checks = [];

/** Declares a check. */
export const check = (name, act) => checks.push({ name, act });

/** Throws with a reason unless the fact holds. */
export function assert(fact, reason) {
  if (!fact) throw new Error(typeof reason === 'string' ? reason : JSON.stringify(reason));
}

/** The error that `act` must throw. */
export async function thrown(act) {
  try {
    await act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

let seen = 0;

/** What arrived upstream since the last look. */
export async function arrivals() {
  const answer = await fetch(`${SIM_URL}/sim/log?since=${seen + 1}`);
  const fresh = await answer.json();
  if (fresh.length > 0) seen = fresh.at(-1).id;
  return fresh;
}

/** Lets the next matching requests fail as the rule says. */
export async function fault(rule) {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify(rule);
  const answer = await fetch(`${SIM_URL}/sim/rules`, { method: 'POST', headers, body });
  assert(answer.ok, await answer.text());
}

const calm = () => fetch(`${SIM_URL}/sim/rules`, { method: 'DELETE' });

/** The keys that requests went upstream with, in order. */
export const keysOf = (list) => list.map((arrival) => arrival.key).filter(Boolean);

/** How many different keys those are. */
export const distinct = (list) => new Set(keysOf(list)).size;

const PRIVATE = [
  'cookie', 'origin', 'referer', 'forwarded', 'via', 'x-forwarded-for', 'x-real-ip',
  'x-goog-user-project', 'x-gemini-api-privileged-user-id', 'x-server-timeout', 'x-api-key',
];

/** Throws unless the request reached Google as it should. */
export function audit(arrival) {
  const headers = Object.fromEntries(arrival.headers);
  const where = `${arrival.method} ${arrival.path}`;
  const query = arrival.query ?? '';
  const bearer = headers.authorization?.startsWith('Bearer ');
  const header = Boolean(headers['x-goog-api-key']);
  const told = PRIVATE.filter((name) => name in headers);
  assert(told.length === 0, `${where} told Google ${told}`);
  assert(!query.includes('key='), `${where} has a key in its query`);
  if (query.includes('upload_id=')) assert(!bearer && !header, `${where}: a part needs no key`);
  else if (arrival.path.includes('/openai/')) assert(bearer && !header, `${where}: Bearer alone`);
  else assert(header && !bearer, `${where}: x-goog-api-key alone`);
}

async function contribute() {
  const body = JSON.stringify({ contents: [{ parts: [{ text: 'hello' }] }] });
  for (const key of KEYS) {
    const headers = { 'content-type': 'application/json', 'x-goog-api-key': key };
    const url = `${BASE_URL}/v1beta/models/${FLASH}:generateContent`;
    const answer = await fetch(url, { method: 'POST', headers, body });
    assert(answer.ok, await answer.text());
  }
  await arrivals();
}

// The timer keeps Node going where a client waits for nothing that could come any more.
async function within(ms, act) {
  let timer;
  const late = new Promise((_, no) => {
    timer = setTimeout(() => no(new Error('timed out')), ms);
  });
  await Promise.race([act(), late]).finally(() => clearTimeout(timer));
}

/** Runs the checks; prints a line for each; exits 1 if any failed. */
export async function main() {
  await contribute();
  let failed = 0;
  for (const { name, act } of checks) {
    const began = performance.now();
    try {
      await within(60_000, act);
      (await arrivals()).forEach(audit);
      console.log(`ok   ${name} (${((performance.now() - began) / 1000).toFixed(2)} s)`);
    } catch (error) {
      failed += 1;
      const text = String(error?.message ?? error).slice(0, 400).replaceAll('\n', ' ');
      console.log(`FAIL ${name}: ${error?.name}: ${text}`);
      if (process.env.TRACE) console.log(error);
    }
    await arrivals();
    await calm();
  }
  process.exit(failed > 0 ? 1 : 0);
}
