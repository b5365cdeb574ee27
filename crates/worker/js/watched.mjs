// Stands before the bundle's entry in a test: counts what the object asks of D1, and lets D1 be out
// of reach. `/watched` tells and forgets the count, `/watched/lost` and `/watched/found` are D1's.

import worker, { Pool as Watched } from "./entry.mjs";

let statements = 0;
let lost = false;

const watched = (database) =>
  new Proxy(database, {
    get(target, name) {
      const member = target[name];
      if (name === "constructor" || typeof member !== "function") return member;
      return (...given) => {
        if (name === "batch") statements += given[0].length;
        if (name === "batch" && lost) throw new Error("Network connection lost.");
        return member.apply(target, given);
      };
    },
  });

export class Pool extends Watched {
  constructor(context, env) {
    super(context, { ...env, DB: watched(env.DB) });
  }
}

export default {
  async fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith("/watched")) return worker.fetch(request, env, context);
    if (pathname !== "/watched") lost = pathname === "/watched/lost";
    const counted = statements;
    statements = 0;
    return Response.json(counted);
  },
};
