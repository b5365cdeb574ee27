// Stands before the bundle's entry in a test: counts what the Worker and its object ask of D1, and
// lets D1 be out of reach. `/watched` tells and forgets the count, `/watched/lost` and
// `/watched/found` are D1's; `/watched/told` tells and forgets what isolates told the object.

import worker, { Pool as Watched } from "./entry.mjs";

let statements = 0;
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
  statements += count;
  if (lost) throw new Error("Network connection lost.");
}

const behind = (env) => (env.DB ? { ...env, DB: watched(env.DB) } : env);

export class Pool extends Watched {
  constructor(context, env) {
    super(context, behind(env));
  }

  ask(said) {
    told.push(...(JSON.parse(said).told ?? []));
    return super.ask(said);
  }
}

export default {
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith("/watched")) return worker.fetch(request, behind(env), context);
    if (pathname === "/watched/told") return Response.json(told.splice(0));
    if (pathname !== "/watched") lost = pathname === "/watched/lost";
    const counted = statements;
    statements = 0;
    return Response.json(counted);
  },
};
