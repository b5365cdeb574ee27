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

/** So much of an answer is read at once; what is longer flows. */
const SMALL = 256 << 10;

/**
 * Asks, itself or through an object that stands elsewhere, and waits for the head; with `eager` also
 * for the bytes of a small text. `patience` is in milliseconds, or none.
 */
export const send = async (relay, url, method, head, body, signal, patience, eager) =>
  answered(await patiently(patience, signal, (signal) => {
    const request = asking(method, head, body, signal);
    return relay ? relay.fetch(new Request(url, request)) : fetch(url, request);
  }), eager);

/** An answer: where it is a small JSON text, with its bytes, or that they broke off. */
async function answered(response, eager) {
  const { status, headers, body } = response;
  const head = head_of(response);
  const answer = { response, status, head, body, bytes: undefined, broken: false };
  // Errors are read whatever was asked for: what they say decides what happens next.
  const read = body && (eager || status >= 400);
  if (!(read && headers.get("content-type")?.startsWith("application/json"))) return answer;
  const length = headers.get("content-length");
  try {
    if (length === null) {
      const { bytes, rest } = await take(body, SMALL);
      return { ...answer, bytes, body: rest };
    }
    if (Number(length) <= SMALL) answer.bytes = new Uint8Array(await response.arrayBuffer());
  } catch {
    answer.broken = true;
  }
  return answer;
}

/** No answer of Google's is kept for anybody; of `cache: "no-store"` Google would hear as well. */
const UNKEPT = { cacheTtlByStatus: { "100-599": -1 } };

/** A request whose redirects are answers. */
const asking = (method, head, body, signal) =>
  ({ method, headers: fields(head), body, redirect: "manual", cf: UNKEPT, signal });

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

/** Has the object do what the hour brings. */
export function tend(object, sweeps) {
  return object.tend(sweeps);
}

/** How long a body may be silent that is read whole: who says nothing for so long has gone. */
const SILENCE = 30_000;

/** The bytes of a body, up to a limit; beyond it a body of which nothing is missing. */
export async function take(body, limit) {
  if (!body) return { bytes: new Uint8Array() };
  const reader = body.getReader();
  const read = [];
  let length = 0;
  const minding = mind(reader, SILENCE);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      minding.heard = Date.now();
      if (minding.silent) throw new Error("the body fell silent");
      if (done) return { bytes: joined(read, length) };
      read.push(value);
      length += value.length;
      if (length > limit) return { rest: behind(read, reader) };
    }
  } finally {
    clearTimeout(minding.timer);
  }
}

/**
 * Ends a reader that hears nothing for so many milliseconds; looks at the earliest moment that it
 * can have. Whoever reads sets `heard`, and clears `timer` in the end.
 */
export function mind(reader, silence) {
  const minding = { heard: Date.now(), silent: false };
  const look = () => {
    const rest = minding.heard + silence - Date.now();
    minding.silent = rest <= 0;
    if (minding.silent) reader.cancel(new Error("silent")).catch(() => {});
    else minding.timer = setTimeout(look, rest);
  };
  minding.timer = setTimeout(look, silence);
  return minding;
}

/** Pieces of that length together as one. */
export function joined(pieces, length) {
  if (pieces.length === 1) return pieces[0];
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
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
