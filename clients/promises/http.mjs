// An HTTP client that hides nothing: pieces as they came, and whether the body came whole. All that
// it hears is kept, so that the last check can look for keys in it.

import http from 'node:http';

export const { BASE_URL, SIM_URL } = process.env;
export const MODEL = 'gemini-2.5-flash';

/** Longer than anything here may take; whoever waits for ever ends by it. */
const PATIENCE = 30_000;
/** So much of each answer is kept; errors are far shorter. */
const KEPT = 64 << 10;

// A connection for each request: one that waits may be closed by the server just as it is used
// again, which is no answer and no promise either.
const agent = new http.Agent({ keepAlive: false });

/** All that anybody was told: heads and bodies. */
export const heard = [];

/** An answer under way: its head is there, its body may be read piece by piece. */
export class Answer {
  constructor(incoming, request) {
    this.incoming = incoming;
    this.request = request;
    this.status = incoming.statusCode;
    this.headers = incoming.headers;
    this.chunks = [];
    this.whole = false;
    this.ended = new Promise((end) => {
      incoming.on('data', (chunk) => this.chunks.push(chunk));
      incoming.on('error', () => end());
      incoming.on('close', () => end());
      incoming.on('end', () => {
        // What only the connection's end delimits never counts as whole.
        const { headers } = incoming;
        const told = headers['content-length'] ?? headers['transfer-encoding'];
        this.whole = incoming.complete && (told !== undefined || this.status === 204);
        end();
      });
    });
  }

  /** Waits until the body holds that text, or is at its end. */
  async holds(text) {
    while (!this.text.includes(text)) {
      const more = new Promise((wake) => this.incoming.once('data', wake));
      const ended = await Promise.race([more, this.ended.then(() => true)]);
      if (ended === true) return this.text.includes(text);
    }
    return true;
  }

  /** Goes away in the middle. */
  leave() {
    this.request.socket.resetAndDestroy();
  }

  get body() {
    return Buffer.concat(this.chunks);
  }

  get text() {
    return this.body.toString();
  }

  get json() {
    return JSON.parse(this.text);
  }

  /** The error object, on whichever dialect's wrapping. */
  get error() {
    const { json } = this;
    return (Array.isArray(json) ? json[0] : json).error ?? {};
  }

  /** `ErrorInfo.reason`. */
  get reason() {
    return this.error.details?.find(({ reason }) => reason)?.reason;
  }

  get servedBy() {
    return this.headers['x-potluck-served-by'];
  }

  get attempts() {
    return Number(this.headers['x-potluck-attempts'] ?? 0);
  }

  /** What the pool did with the key that was shown. */
  get mark() {
    return this.headers['x-potluck-key'];
  }
}

// Node frames no body of a GET or DELETE by itself.
const framed = (headers, body) =>
  body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) };

/** Sends a request; gives its answer once the head is there. */
export function open(method, target, { headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const options = { method, headers: framed(headers, body), agent };
    const request = http.request(BASE_URL + target, options);
    request.setTimeout(PATIENCE, () => request.destroy(new Error('timed out')));
    request.on('response', (incoming) => resolve(new Answer(incoming, request)));
    request.on('error', reject);
    request.end(body);
  });
}

/** Sends a request and reads its answer to the end. */
export async function ask(method, target, options) {
  const answer = await open(method, target, options);
  await answer.ended;
  const head = Object.entries(answer.headers).map((pair) => pair.join(': ')).join('\n');
  heard.push(`${method} ${target.split('?')[0]}\n${head}\n${answer.text.slice(0, KEPT)}`);
  return answer;
}

/** Begins a request that nobody will wait for: `leave` resets its connection, `hangUp` ends it. */
export function begin(method, target, { headers = {}, body } = {}) {
  const options = { method, headers: framed(headers, body), agent };
  const request = http.request(BASE_URL + target, options);
  request.on('error', () => {});
  request.on('response', (incoming) => incoming.on('error', () => {}));
  request.end(body);
  return {
    leave: () => request.socket.resetAndDestroy(),
    hangUp: () => request.socket.destroy(),
  };
}

/** The body of a plain call, with other fields beside. */
export const prompt = (text, more = {}) =>
  ({ contents: [{ role: 'user', parts: [{ text }] }], ...more });

/** What `open` and `ask` take: a key and a body of JSON. */
export const showing = (key, json, headers = {}) => ({
  headers: {
    ...(key && { 'x-goog-api-key': key }),
    ...(json !== undefined && { 'content-type': 'application/json' }),
    ...headers,
  },
  body: json === undefined ? undefined : JSON.stringify(json),
});

/** The path of a method of a model. */
export const path = (verb, model = MODEL) => `/v1beta/models/${model}:${verb}`;
export const STREAM = `${path('streamGenerateContent')}?alt=sse`;

/** A plain call. */
export const generate = (key, text = 'hello', { model, ...headers } = {}) =>
  ask('POST', path('generateContent', model), showing(key, prompt(text), headers));

/** A streamed call, whole. */
export const stream = (key, text = 'hello', headers = {}) =>
  ask('POST', STREAM, showing(key, prompt(text), headers));

/** A call in OpenAI's words. */
export const chat = (key, more = {}, target = '/v1/chat/completions') =>
  ask('POST', target, {
    headers: {
      'content-type': 'application/json',
      ...(key && { authorization: `Bearer ${key}` }),
    },
    body: JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hello' }], ...more }),
  });

/** `GET`, with a key if one is given. */
export const get = (target, key, headers = {}) =>
  ask('GET', target, showing(key, undefined, headers));
