// What Rust leaves to the platform, because it costs less here: heads as one text each way, bodies
// that never enter wasm, and a stream of which Rust sees every chunk and copies none out.

/** A head's fields, a line each. */
export function head_of({ headers }) {
  let text = "";
  for (const [name, value] of headers) text += `${name}:${value}\n`;
  return text;
}

function fields(head) {
  const headers = new Headers();
  for (const line of head.split("\n")) {
    const end = line.indexOf(":");
    if (end > 0) headers.append(line.slice(0, end), line.slice(end + 1));
  }
  return headers;
}

/** Asks; the answer's body flows when it is read. `patience` is in milliseconds, or none. */
export const send = (url, method, head, body, signal, patience) =>
  patiently(patience, signal, (signal) => fetch(url, asking(method, head, body, signal)));

/** Asks through an object that stands elsewhere. */
export const send_through = (relay, url, method, head, body, signal, patience) =>
  patiently(patience, signal, (signal) =>
    relay.fetch(new Request(url, asking(method, head, body, signal))));

/** A request whose redirects are answers. */
const asking = (method, head, body, signal) =>
  ({ method, headers: fields(head), body, redirect: "manual", signal });

async function patiently(patience, signal, ask) {
  if (!patience) return ask(signal);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error("the head took too long")), patience);
  const signals = signal ? [signal, late.signal] : [late.signal];
  try {
    return await ask(AbortSignal.any(signals));
  } finally {
    clearTimeout(timer);
  }
}

/** An answer; a body that flows is handed on as it is. */
export function respond(status, head, body) {
  return new Response(body, { status, headers: fields(head) });
}

/** Adds fields to an answer. */
export function mark({ headers }, head) {
  for (const [name, value] of fields(head)) headers.set(name, value);
}

/** Asks the object. */
export function ask(object, said) {
  return object.ask(said);
}

/** The bytes of a body, up to a limit; beyond it a body of which nothing is missing. */
export async function take(body, limit) {
  if (!body) return { bytes: new Uint8Array() };
  const reader = body.getReader();
  const read = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { bytes: joined(read, length) };
    read.push(value);
    length += value.length;
    if (length > limit) return { rest: behind(read, reader) };
  }
}

function joined(read, length) {
  if (read.length === 1) return read[0];
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of read) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Whether a text stands in bytes of text. */
export const holds = (bytes, text) => new TextDecoder().decode(bytes).includes(text);

/** What was read of a body, then the rest of it. */
function behind(read, reader) {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = read.length ? { value: read.shift() } : await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (why) => reader.cancel(why),
  }, { highWaterMark: 0 });
}

/** Comes true when the caller leaves. */
export const leaving = (signal) =>
  new Promise((left) => signal.addEventListener("abort", left, { once: true }));
