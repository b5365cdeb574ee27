// A body that Rust watches on its way to the caller.
//
// Rule: what comes alone leaves at once. Only events that follow each other faster than anybody
// reads are looked at and passed together, since each time that something leaves costs more than
// all that is done with it.

import { joined, mind } from "./platform.mjs";

/** What comes within so many milliseconds of what has left waits for what else comes in them. */
const JOINED = 8;
/**
 * The platform cuts a chunk in two where its buffer ends, and a look at either half costs as much.
 * No event that says anything is shorter than this but a stream's last.
 */
const HALF = 64;
/** What is read at a time. */
const ROOM = 4 << 10;
/** So much may wait; a caller who takes nothing holds the upstream back. */
const MOST = 16 << 10;

// What the meter says of a piece, or of the end.
const PASS = 0;
const INSTEAD = 1;

/** The longest silence of an upstream, in milliseconds, before the stream counts as broken. */
const SILENCE = 300_000;

/**
 * The body for the caller: piece by piece as it comes, and aborted where it is not whole. A length
 * that is promised is kept, or missed.
 */
export function metered(body, meter, signal, length) {
  const { readable, writable } =
    length === undefined ? new IdentityTransformStream() : new FixedLengthStream(length);
  const passing = new Passing(source(body), writable.getWriter(), meter);
  signal.addEventListener("abort", () => passing.leave(), { once: true });
  passing.run().catch(() => passing.leave());
  return readable;
}

/** Where pieces come from; a body of ours, behind what was read of it, is no platform's. */
function source(body) {
  try {
    const reader = body.getReader({ mode: "byob" });
    return { reader, next: () => reader.readAtLeast(HALF, new Uint8Array(ROOM)) };
  } catch {
    const reader = body.getReader();
    return { reader, next: () => reader.read() };
  }
}

class Passing {
  #held = [];
  #length = 0;
  #last = 0;
  #minding;
  #timer;
  #writing;
  #over = false;

  constructor(from, to, meter) {
    Object.assign(this, { from, to, meter });
    this.#minding = mind(from.reader, SILENCE);
  }

  async run() {
    const whole = await this.#read();
    clearTimeout(this.#timer);
    clearTimeout(this.#minding.timer);
    await this.#flush();
    if (this.#over) return this.#release();
    await this.#write(whole ? this.meter.end() : this.meter.broke());
    if (!this.#over) await this.to.close();
    this.#release();
  }

  /** The caller is gone, or something here went wrong: nothing of the request goes on. */
  leave() {
    clearTimeout(this.#timer);
    clearTimeout(this.#minding.timer);
    this.#over = true;
    this.from.reader.cancel().catch(() => {});
    this.to.abort(new Error("left")).catch(() => {});
    this.meter?.left();
    this.#release();
  }

  /** Lets Rust's half go now, and not when somebody collects garbage. */
  #release() {
    this.meter?.free();
    this.meter = undefined;
  }

  /** Whether the upstream's end is a clean one. */
  async #read() {
    try {
      while (!this.#over) {
        const { done, value } = await this.from.next();
        this.#minding.heard = Date.now();
        if (value?.length) {
          this.#held.push(value);
          this.#length += value.length;
        }
        if (done) return !this.#minding.silent;
        const full = this.#pass();
        if (full) await full;
      }
    } catch {
      return false;
    }
  }

  /** Sees to it that what is held leaves in time. */
  #pass() {
    if (this.#length > MOST) return this.#flush();
    if (this.#timer) return undefined;
    const wait = this.#last + JOINED - Date.now();
    if (wait <= 0 && !this.#writing) return this.#flush();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#flush().catch(() => this.leave());
    }, Math.max(wait, 0));
  }

  async #flush() {
    await this.#writing;
    if (this.#over || this.#held.length === 0) return;
    const piece = joined(this.#held, this.#length);
    [this.#held, this.#length] = [[], 0];
    this.#last = Date.now();
    this.#writing = this.#write(this.meter.push(piece), piece);
    await this.#writing;
    this.#writing = undefined;
  }

  async #write(said, piece) {
    const out = said === PASS ? piece : this.meter.out();
    if (out?.length) await this.to.write(out);
    if (said === PASS || said === INSTEAD) return;
    this.#over = true;
    // What was written has left by now, so the abort cannot overtake it.
    await Promise.all([this.to.abort(new Error("not whole")), this.from.reader.cancel()]);
  }
}
