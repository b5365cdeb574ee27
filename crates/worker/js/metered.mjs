// A body that Rust watches on its way to the caller.
//
// Why like this: to wake JavaScript for an event costs more than all that is done with it. So the
// answer is read twice over by the platform itself: one half is drained, which keeps the other one
// coming, and what has come of that one is taken in one piece. What comes alone leaves at once;
// only events that follow each other faster than anybody reads are joined.

/** What follows an event within so many milliseconds travels with what follows it. */
const JOINED = 5;
/** What is taken at a time. */
const PIECE = 16 << 10;
/** An answer is read so far ahead of a slow caller, and not farther. */
const AHEAD = 256 << 10;
/**
 * What is drained at a time. That the caller has left shows only when such a piece is full, so it
 * is as small as costs nothing yet: a few events.
 */
const GULP = 2 << 10;

// What the meter says of a piece, or of the end.
const PASS = 0;
const LAST = 2;
const ABORT = 3;

/** The body for the caller: piece by piece as it comes, and aborted where it is not whole. */
export function metered(body, meter, signal) {
  const { readable, writable } = new IdentityTransformStream();
  const halves = body.tee().map((half) => half.getReader({ mode: "byob" }));
  const [seen, drained] = halves;
  const pace = new Pace();
  const left = () => {
    meter.left();
    // The upstream ends with the second one.
    for (const half of halves) half.cancel().catch(() => {});
  };
  signal.addEventListener("abort", left, { once: true });
  drain(drained, pace).catch(() => {});
  pass(seen, writable.getWriter(), meter, pace).catch(left);
  return readable;
}

async function pass(from, to, meter, pace) {
  let last = 0;
  for (;;) {
    const { said, piece, done } = await next(from, meter);
    const out = said === PASS ? piece : meter.out();
    if (out?.length) await to.write(out);
    // What was written has left by now, so an abort cannot overtake it.
    if (said === LAST || said === ABORT) return to.abort(new Error("the stream is not whole"));
    if (done) return to.close();
    pace.passed(piece.length);
    const now = Date.now();
    if (now - last < JOINED) await new Promise((wake) => setTimeout(wake, JOINED));
    last = Date.now();
  }
}

async function next(from, meter) {
  try {
    const { done, value: piece } = await from.read(new Uint8Array(PIECE));
    return { said: done ? meter.end() : meter.push(piece), piece: done ? null : piece, done };
  } catch {
    return { said: meter.broke() };
  }
}

async function drain(from, pace) {
  let room = new Uint8Array(GULP);
  for (let drained = 0; ; ) {
    const { done, value } = await from.readAtLeast(GULP, room);
    if (done) return;
    drained += value.length;
    room = new Uint8Array(value.buffer);
    await pace.reaches(drained - AHEAD);
  }
}

/** How far the caller is. */
class Pace {
  #at = 0;
  #waited = Infinity;
  #wake = () => {};

  passed(length) {
    this.#at += length;
    if (this.#at >= this.#waited) this.#wake();
  }

  async reaches(at) {
    if (this.#at >= at) return;
    this.#waited = at;
    await new Promise((wake) => (this.#wake = wake));
    this.#waited = Infinity;
  }
}
