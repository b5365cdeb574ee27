// The two ends of a Live socket. Frames are pumped here, since most of them need no judging and
// would only be copied into wasm and back.
//
// Rule: a frame goes on as soon as it has come, and in its order. The platform does not tell how
// much of what was sent is still on its way, so what is bounded is a frame, and what waits because
// there is nobody yet to send it to.

/** What may wait, in bytes: half a minute of speech. A single frame may always wait. */
const MOST_HELD = 2 << 20;
/** What a frame weighs at the least: many small ones cost memory too. */
const FRAME = 1 << 10;
/** Milliseconds until both ends are closed without a word, should nobody have said one. */
const GOODBYE = 5000;

// Codes of RFC 6455 §7.4.1 and its registry.
const LOST = 1006;
const TOO_LARGE = [1009, "POOL_TOO_LARGE: a message is larger than what is passed on"];
const TOO_EARLY = [1013, "POOL_TOO_EARLY: wait for setupComplete before sending more"];

// Who ends a socket, for `live/ends.rs`.
const LEFT = 0;
const FOREIGN = 1;
const CLOSED = 2;
const CUT = 3;

/** Never more than its bytes, and of what Google takes hardly less. */
const size = (frame) => (typeof frame === "string" ? frame.length : frame.byteLength);

/** Whether a frame may go to somebody else's project. */
const mayPass = (plain, frame) =>
  typeof frame === "string" ? plain.text(frame) : plain.bytes(new Uint8Array(frame));

/** One end: its frames wait until they are asked for, or flow. */
class End {
  #socket;
  #held = [];
  #weight = 0;
  #wanted;
  #take;
  #isOver;

  constructor(socket, limit) {
    this.limit = limit;
    /** Settled with how it ended: a code and a reason, or neither where it broke. */
    this.over = new Promise((settle) => (this.#isOver = settle));
    this.#socket = socket;
    // Else the platform's later dates give Blobs, which are read asynchronously and out of order.
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#come(data));
    socket.addEventListener("close", ({ code, reason }) =>
      this.#end(code === LOST ? {} : { code, reason }));
    socket.addEventListener("error", () => this.#end({}));
    socket.accept();
  }

  /** The next frame; none if it ends before, or takes longer than `patience` milliseconds. */
  next(patience) {
    if (this.#held.length) return Promise.resolve(this.#let());
    if (this.ended) return Promise.resolve();
    return new Promise((settle) => {
      const timer = setTimeout(() => this.#wanted(), patience);
      this.#wanted = (frame) => {
        clearTimeout(timer);
        this.#wanted = undefined;
        settle(frame);
      };
    });
  }

  /** Has every frame taken, beginning with those that wait. */
  flow(take) {
    this.#take = take;
    while (this.#held.length && this.#take === take) take(this.#let());
  }

  /** Has none taken any more. */
  still() {
    this.#take = () => {};
  }

  send(frame) {
    try {
      this.#socket.send(frame);
    } catch {
      this.#end({});
    }
  }

  /** Closes it; without a code where there is none that may be sent. */
  close(code, reason) {
    try {
      if (mayBeSent(code)) this.#socket.close(code, reason);
      else this.#socket.close();
    } catch {
      // It is closed already, and whoever does not listen any more need not be told.
    }
  }

  #come(frame) {
    if (this.ended) return;
    if (size(frame) > this.limit) this.#refuse(TOO_LARGE);
    else if (this.#wanted) this.#wanted(frame);
    else if (this.#take) this.#take(frame);
    else this.#hold(frame);
  }

  /** The first of the frames that wait. */
  #let() {
    const frame = this.#held.shift();
    this.#weight -= Math.max(size(frame), FRAME);
    return frame;
  }

  #hold(frame) {
    this.#weight += Math.max(size(frame), FRAME);
    if (this.#held.length && this.#weight > MOST_HELD) this.#refuse(TOO_EARLY);
    else this.#held.push(frame);
  }

  #refuse([code, reason]) {
    this.close(code, reason);
    this.#end({});
  }

  #end(how) {
    if (this.ended) return;
    this.ended = how;
    this.#wanted?.();
    this.leave?.(how);
    // RFC 6455 §5.5.1: a close is answered, with the same code.
    this.close(how.code, how.code && "");
    this.#isOver(how);
  }
}

/** Codes that stand for what was not said are never said. */
const mayBeSent = (code) =>
  code >= 1000 && code < 5000 && ![1004, 1005, LOST, 1015].includes(code);

/** The caller's end, and the answer that opens it. */
export class Caller extends End {
  constructor(limit) {
    const [theirs, ours] = Object.values(new WebSocketPair());
    super(ours, limit);
    this.answer = new Response(null, { status: 101, webSocket: theirs });
  }

  /**
   * A signal for one attempt, aborted when the caller leaves before it has led to a socket. To
   * abort it later would break the socket off where a close is due.
   */
  asks() {
    this.asking = new AbortController();
    if (this.ended) this.asking.abort();
    return this.asking.signal;
  }

  /** Whoever leaves frees Google at once. */
  leave({ code, reason }) {
    this.google?.close(code, reason);
    this.asking?.abort();
  }

  /**
   * Passes frames until either end is over, and says who was it, and how. `word` is what Google
   * said already; `plain` judges the caller's frames, and on a socket of the caller's own nobody
   * does.
   */
  relay(google, word, plain) {
    return new Promise((settle) => {
      const over = (by, { code, reason = "" } = {}) => {
        this.still();
        google.still();
        settle({ by, code, reason });
        // A trap in wasm takes with it whoever waits for this.
        setTimeout(() => [this, google].forEach((end) => end.close()), GOODBYE);
      };
      if (word !== undefined) this.send(word);
      google.flow((frame) => this.send(frame));
      this.flow((frame) => {
        try {
          if (plain && !mayPass(plain, frame)) over(FOREIGN);
          else google.send(frame);
        } catch {
          over(CUT);
        }
      });
      google.over.then((how) => over(how.code ? CLOSED : CUT, how));
      this.over.then((how) => over(LEFT, how));
    });
  }
}

/** Google's end, if that answer opened one; whatever waits there ends with the caller's. */
export function google_of({ webSocket }, caller) {
  if (!webSocket) return undefined;
  const google = new End(webSocket, caller.limit);
  caller.google = google;
  caller.asking = undefined;
  if (caller.ended) google.close();
  return google;
}
