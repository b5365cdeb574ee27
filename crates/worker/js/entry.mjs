// What workerd loads: the handlers of the Worker and the class of its object, each handing over to
// Rust. Nothing else is decided here.

import { DurableObject } from "cloudflare:workers";
import * as rust from "./rust.js";

/** So much of a request is read before Rust is asked, which waits for it at a higher price. */
const SMALL = 256 << 10;

async function small(request) {
  const length = request.headers.get("content-length");
  if (!request.body || length === null || Number(length) > SMALL) return undefined;
  return new Uint8Array(await request.arrayBuffer());
}

let calls = 0;

async function serve(request, env, context) {
  const call = calls++;
  // Nothing of a request goes on behind this event; what Rust holds for it is let go within.
  request.signal.addEventListener("abort", () => rust.leave(call), { once: true });
  try {
    const bytes = await small(request);
    return await rust.serve(request, bytes, call, env, context);
  } catch {
    // A panic costs the request it happened in.
    return rust.failed();
  }
}

export default {
  fetch: serve,
  scheduled: (_, env) => rust.tend(env),
};

export class Pool extends DurableObject {
  // A trap in wasm (out of memory, stack) starts a new instance, in which objects of the former one
  // are dangling numbers; so the Rust half is made anew with it.
  #rust() {
    const { instanceId } = rust.__worker_init_state();
    if (this.instance !== instanceId) {
      this.object = new rust.Pool(this.ctx, this.env);
      this.instance = instanceId;
    }
    return this.object;
  }

  fetch(request) {
    return this.#rust().fetch(request);
  }

  alarm() {
    return this.#rust().alarm();
  }

  ask(said) {
    return this.#rust().ask(said);
  }

  tend(sweeps) {
    return this.#rust().tend(sweeps);
  }
}

// Stands where Google serves, and asks in the place of isolates that stand where it does not.
export class Relay extends DurableObject {
  fetch(request) {
    return fetch(request);
  }
}
