// Stands before the bundle's entry in a test: counts what the Worker and its object ask of D1, and
// lets D1 be out of reach. `/watched` tells and forgets the count, `/watched/lost` and
// `/watched/found` are D1's; `/watched/told` tells and forgets what isolates told the object.
// `/watched/asks` and `/watched/relayed` tell and forget how often the object and the relay were
// spoken to; `/watched/restart` has the objects start anew.

import worker, { Pool as Watched, Relay as Passage } from "./entry.mjs";

/** Since they were told last. */
const counts = { statements: 0, asks: 0, relayed: 0 };
let lost = false;
let told = [];

/** What each method sends, in statements. */
const SENT = {
  batch: (members) => members.length,
  exec: (text) => text.trim().split("\n").length,
  run: () => 1,
  all: () => 1,
  first: () => 1,
  raw: () => 1,
};
/** What of D1's gives something that sends in turn. */
const MAKERS = new Set(["prepare", "bind", "withSession"]);
/** The platform's own objects behind ours, since a batch takes no others. */
const own = new WeakMap();

function watched(object) {
  const proxy = new Proxy(object, {
    get(target, name) {
      const member = target[name];
      if (name === "constructor" || typeof member !== "function") return member;
      return (...given) => {
        if (Object.hasOwn(SENT, name)) send(SENT[name](...given));
        const bare = name === "batch" ? [given[0].map((one) => own.get(one) ?? one)] : given;
        const made = member.apply(target, bare);
        return MAKERS.has(name) ? watched(made) : made;
      };
    },
  });
  own.set(proxy, object);
  return proxy;
}

function send(count) {
  counts.statements += count;
  if (lost) throw new Error("Network connection lost.");
}

const behind = (env) => (env.DB ? { ...env, DB: watched(env.DB) } : env);

export class Pool extends Watched {
  constructor(context, env) {
    super(context, behind(env));
  }

  ask(said) {
    counts.asks += 1;
    told.push(...(JSON.parse(said).told ?? []));
    return super.ask(said);
  }

  /** As when the platform moves it: its memory is gone, and whoever waits for it hears an error. */
  restart() {
    this.ctx.abort("restarted by a test");
  }
}

export class Relay extends Passage {
  fetch(request) {
    counts.relayed += 1;
    return super.fetch(request);
  }
}

/** The objects' names, as the settings give them. */
function names({ POTLUCK_SHARDS: parts = "1" }) {
  if (parts === "1") return ["pool"];
  return Array.from({ length: Number(parts) }, (_, part) => `pool-${part}-of-${parts}`);
}

async function restart(env) {
  const objects = names(env).map((name) => env.POOL.get(env.POOL.idFromName(name)));
  // Who is ended cannot answer.
  await Promise.all(objects.map((object) => object.restart().catch(() => {})));
  return objects.length;
}

/** Tells a count, and forgets it. */
function tell(name) {
  const count = counts[name];
  counts[name] = 0;
  return count;
}

const TELLERS = {
  "/watched": () => tell("statements"),
  "/watched/lost": () => ((lost = true), tell("statements")),
  "/watched/found": () => ((lost = false), tell("statements")),
  "/watched/told": () => told.splice(0),
  "/watched/asks": () => tell("asks"),
  "/watched/relayed": () => tell("relayed"),
  "/watched/restart": restart,
};

export default {
  async fetch(request, env, context) {
    const teller = TELLERS[new URL(request.url).pathname];
    return teller ? Response.json(await teller(env)) : worker.fetch(request, behind(env), context);
  },
};
