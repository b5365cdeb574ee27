// What operators decide at the edge, in workerd, with Google's stand-in behind: who is let in, and
// what becomes of keys. What they are told of the pool's work is in `operated.mjs`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { check, conclude } from "./checks.mjs";
import {
  ADMIN, ADMIN_TOKEN, UNKNOWN, bearing, kitchen, lines, name, named, operator, refused, rows, serve,
  sim, sleep, told, until, upTo, uses,
} from "./seated.mjs";
import { KEYS, masterKey, said } from "./staged.mjs";

const OTHER_TOKEN = "let-the-others-in";
/** As long as an isolate may use what it was lent. */
const LEASE = 5_000;
const PAGE = { "x-potluck-page": "1" };

const DESCRIPTION = join(import.meta.dirname, "../../../docs/openapi.json");
const { paths: PATHS } = JSON.parse(await readFile(DESCRIPTION, "utf8"));

/** What a browser shows of a session, beside another site's. */
const cookie = (digits) => ({ cookie: `a=b; __Host-potluck=${digits}` });

/** Those digits with another one in that place. */
const forged = (digits, at) =>
  digits.slice(0, at) + (digits[at] === "0" ? "1" : "0") + digits.slice(at + 1);

/** Whoever calls is served by that key, too, before long. */
const serves = (here, n) =>
  until(async () => (await serve(here, 0, 4), uses(n)), (used) => used > 0, "it never serves");

await check("operators alone are let in, and no change by a page of another site", () =>
  kitchen(1, async (here, { send }) => {
    const evil = { origin: "https://evil.example" };
    for (const [path, methods] of Object.entries(PATHS)) {
      const target = path.replace(ADMIN, "").replace("{id}", name(0));
      for (const method of Object.keys(methods).map((method) => method.toUpperCase())) {
        const body = method === "GET" ? undefined : "{}";
        refused(await operator(here, {}).send(method, target, body), 401, "POOL_NOT_ADMIN");
        if (method === "GET") continue;
        for (const sign of [evil, { "sec-fetch-site": "cross-site" }]) {
          refused(await send(method, target, body, sign), 403, "POOL_CROSS_SITE");
        }
      }
    }
    assert.equal((await send("GET", "/status", undefined, evil)).status, 200);
    assert.equal((await here.me(0)).state, "active");
  }));

await check("ten wrong tokens from one address shut the gate, for the right one as well", () =>
  kitchen(1, async (here, { look }) => {
    const from = (last, token) =>
      operator(here, { ...bearing(token), "cf-connecting-ip": `192.0.2.${last}` });
    for (let n = 0; n < 5; n += 1) {
      const guess = from(7, "guess");
      refused(await guess.send("GET", "/keys"), 401, "POOL_NOT_ADMIN");
      refused(await guess.send("POST", "/session", { token: "guess" }), 401, "POOL_NOT_ADMIN");
    }
    const right = from(7, ADMIN_TOKEN);
    for (const answer of [await right.send("GET", "/keys"), await right.send("DELETE", "/session"),
      await right.send("POST", "/session", { token: ADMIN_TOKEN })]) {
      refused(answer, 429, "POOL_TOO_MANY_TRIES");
      assert.ok(Number(answer.headers.get("retry-after")) > 0);
    }
    await from(8, ADMIN_TOKEN).look("/keys");
    await look("/keys");
  }));

await check("where no token is set nobody is an operator", () =>
  kitchen(1, async (here, { send }) => {
    refused(await send("POST", "/session", { token: "" }), 401, "POOL_NOT_ADMIN");
    refused(await send("GET", "/status", undefined, bearing("")), 401, "POOL_NOT_ADMIN");
  }, { bindings: { POTLUCK_ADMIN_TOKEN: "" } }));

/** Signs in; gives the answer, and the digits that the browser keeps. */
async function signIn(here) {
  const begun = await operator(here, {}).send("POST", "/session", { token: ADMIN_TOKEN });
  assert.ok(Date.parse(begun.json.until) > Date.now() + 3_600_000, told(begun));
  const [kept] = begun.headers.getSetCookie();
  assert.match(kept, /; Max-Age=\d+; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
  const [, digits] = kept.match(/^__Host-potluck=([0-9a-f]+);/);
  return { session: begun.json, digits };
}

await check("who signed in is let in by every isolate, from our pages, while the token lasts", () =>
  kitchen(1, async (here) => {
    const guest = operator(here, {});
    refused(await guest.send("POST", "/session", { token: OTHER_TOKEN }), 401, "POOL_NOT_ADMIN");
    const { session, digits } = await signIn(here);
    for (const place of [here, here.there]) {
      const signed = operator(place, { ...PAGE, ...cookie(digits) });
      assert.deepEqual(await signed.look("/session"), session);
      assert.equal((await signed.put(0, false)).status, 200);
      const others = [0, 15, 31, 32, digits.length - 1].map((at) => forged(digits, at));
      for (const shown of [cookie(digits), ...others.map((one) => ({ ...PAGE, ...cookie(one) }))]) {
        refused(await operator(place, shown).send("GET", "/keys"), 401, "POOL_NOT_ADMIN");
      }
    }
    const out = await operator(here, { ...PAGE, ...cookie(digits) }).send("DELETE", "/session");
    assert.equal(out.status, 204);
    assert.match(out.headers.getSetCookie()[0], /^__Host-potluck=; Max-Age=0;/);
    await kitchen(1, async (changed) => {
      const former = operator(changed, { ...PAGE, ...cookie(digits) });
      refused(await former.send("GET", "/session"), 401, "POOL_NOT_ADMIN");
    }, { bindings: { POTLUCK_ADMIN_TOKEN: OTHER_TOKEN } });
  }, { isolates: 2 }));

await check("keys are counted, and listed by state, by text and page by page", () =>
  kitchen(5, async (here, { send, look, key, put, pages }) => {
    assert.equal((await here.withdraw(2)).status, 204);
    assert.equal((await here.change(3, { paused: true })).status, 200);
    assert.equal((await put(4, true)).status, 200);
    const { keys, withdrawn } = await look("/status");
    assert.deepEqual(keys, { serving: 2, resting: 0, held: 0, paused: 1, disabled: 1 });
    assert.equal(withdrawn, 1);
    for (const [query, numbers] of [["", [0, 1, 3, 4]], ["&state=active", [0, 1]],
      ["&state=held", []], ["&state=paused", [3]], ["&text=Taken+the%20key+out", [4]],
      [`&text=${name(1).slice(2, 14)}`, [1]], ["&state=paused&text=taken+the+key", []]]) {
      assert.deepEqual(await pages(query), named(numbers), query);
    }
    assert.deepEqual(await key(0), await here.me(0));
    for (const query of ["state=happy", "limit=0", "limit=1001", "after=x", "key=x"]) {
      refused(await send("GET", `/keys?${query}`), 400, "POOL_REFUSED");
    }
  }));

await check("a key that is put out serves its bearer alone, after a restart as well", () =>
  kitchen(3, async (here, { key, put }) => {
    for (const place of [here, here.there]) await serve(place, 0, 20);
    const { status, json } = await put(1, true);
    assert.deepEqual([status, json.id, json.state], [200, name(1), "disabled"]);
    await sim.forget();
    await serve(here, 0, 20);
    assert.equal(await uses(1), 0);
    // Another isolate goes on with what it was lent.
    await sleep(LEASE);
    await sim.forget();
    await serve(here.there, 0, 20);
    await here.watch("restart");
    for (const place of [here, here.there]) await serve(place, 0, 20);
    assert.equal(await uses(1), 0);
    const own = await here.generate(1);
    assert.deepEqual([own.status, own.servedBy], [200, "own"], told(own));
    assert.equal((await key(1)).state, "disabled");
    assert.equal((await put(1, false)).json.state, "active");
    await sim.forget();
    await serves(here, 1);
  }, { isolates: 2 }));

await check("an erased key is gone without a trace, and its bearer may bring it back", () =>
  kitchen(2, async (here, { send, put, erase }) => {
    await serve(here, 0, 10);
    const gone = await erase(1);
    assert.deepEqual([gone.status, gone.text], [204, ""]);
    await sim.forget();
    await serve(here, 0, 10);
    assert.equal(await uses(1), 0);
    assert.deepEqual([await rows(here, "keys"), await rows(here, "tombstones")], [1, 0]);
    refused(await erase(1), 404, "POOL_UNKNOWN_KEY");
    refused(await put(1, true), 404, "POOL_UNKNOWN_KEY");
    for (const id of [UNKNOWN, name(1), "k_nobody"]) {
      refused(await send("GET", `/keys/${id}`), 404, "POOL_UNKNOWN_KEY");
      refused(await send("POST", `/keys/${id}/check`), 404, "POOL_UNKNOWN_KEY");
    }
    assert.equal((await here.generate(1)).mark, "stored");
  }));

await check("keys that are added serve and lie sealed in D1, and each line is told", () =>
  kitchen(2, async (here, { add, pages }) => {
    await sim.seat(KEYS);
    assert.equal((await here.withdraw(1)).status, 204);
    const { lines: each, ...counts } =
      await add(`# ours\n${lines([2])}\nno key\n${lines([0, 2, 1])}\n`);
    assert.deepEqual(counts, { added: 1, known: 1, withdrawn: 1, full: 0, bad: 2, refused: 0,
      unchecked: 0, failed: 0 });
    assert.deepEqual(each.map(({ line, became, id }) => [line, became, id]), [
      [2, "added", name(2)], [3, "bad", undefined], [4, "known", name(0)], [5, "bad", undefined],
      [6, "withdrawn", undefined]]);
    assert.match(each[3].why, /same key/);
    await serves(here, 2);
    const { sealed } = await here.database.prepare("SELECT sealed FROM keys WHERE id = ?1")
      .bind(KEYS[2].id).first();
    const bytes = Buffer.from(sealed);
    assert.ok(bytes.length > KEYS[2].key.length && !bytes.includes(KEYS[2].key.slice(0, 4)));
    await here.watch("restart");
    assert.deepEqual(await pages(), named([0, 2]));
  }));

await check("keys are checked first, if they are new, and those that work are added", () =>
  kitchen(2, async (here, { add, send, pages }) => {
    await sim.seat(KEYS.slice(2, 5));
    await sim.become(KEYS[3], "leaked");
    await sim.rule({ when: { key: KEYS[4].key }, do: { sample: "high_demand" } });
    assert.equal((await here.withdraw(1)).status, 204);
    await sim.forget();
    const report = await add(lines(upTo(6)), "?check=true");
    assert.deepEqual(report.lines.map(({ became }) => became),
      ["known", "withdrawn", "added", "refused", "unchecked", "refused"]);
    assert.deepEqual([report.added, report.refused, report.unchecked], [1, 2, 1]);
    assert.match(report.lines[3].why, /leaked/);
    const asked = new Set((await sim.log()).map(({ key }) => key));
    assert.deepEqual([...asked].sort(), lines([2, 3, 4, 5]).split("\n"));
    assert.deepEqual(await pages(), named([0, 2]));
    for (const [query, text] of [["?check=maybe", lines([5])], ["", ""],
      ["?check=true", "x\n".repeat(501)], ["", "x\n".repeat(5001)]]) {
      refused(await send("POST", `/keys${query}`, text), 400, "POOL_REFUSED");
    }
  }));

await check("a key that Google is asked about now is as Google says, unless it was put out", () =>
  kitchen(4, async (here, { send, put }) => {
    const asks = async (n) => {
      const { works, why, key } = (await send("POST", `/keys/${name(n)}/check`)).json;
      assert.equal(why === null, works === true, why);
      return [works, key.id, key.state];
    };
    await sim.become(KEYS[1], "invalid");
    await sim.become(KEYS[2], "leaked");
    await sim.rule({ when: { key: KEYS[3].key }, do: { sample: "high_demand" } });
    for (const [n, works, state] of [[0, true, "active"], [1, false, "disabled"],
      [2, false, "disabled"], [3, null, "active"]]) {
      assert.deepEqual(await asks(n), [works, name(n), state]);
    }
    await sim.become(KEYS[1], "good");
    assert.deepEqual(await asks(1), [true, name(1), "active"]);
    await put(1, true);
    assert.deepEqual(await asks(1), [true, name(1), "disabled"]);
    assert.ok((await sim.log()).every(({ method }) => method === "GET"), "it costs quota");
  }));

await check("many keys are changed at once, and unknown ones stop none of the others", () =>
  kitchen(4, async (here, { send, decide, pages }) => {
    const [two, strange] = [[name(1), name(2)], [UNKNOWN, "k_nobody"]];
    assert.deepEqual(await decide("disable", [...strange, ...two]), { done: 2, unknown: 2 });
    await serve(here, 0, 10);
    assert.deepEqual([await uses(1), await uses(2)], [0, 0]);
    await here.watch("restart");
    assert.deepEqual(await pages("&state=disabled"), [...two].sort());
    assert.deepEqual(await decide("enable", two), { done: 2, unknown: 0 });
    assert.deepEqual(await pages("&state=active"), named(upTo(4)));
    assert.deepEqual(await decide("erase", [...two, ...two]), { done: 2, unknown: 2 });
    assert.deepEqual([await pages(), await rows(here, "keys")], [named([0, 3]), 2]);
    for (const body of [{ do: "sell", keys: [] }, { keys: two }, "", "[]"]) {
      refused(await send("POST", "/keys/changes", body), 400, "POOL_REFUSED");
    }
    refused(await send("PATCH", `/keys/${name(0)}`, { disabled: "yes" }), 400, "POOL_REFUSED");
  }));

await check("what D1 does not take is told, and done once it is there again", () =>
  kitchen(4, async (here, { look, add, put, erase }) => {
    await look("/keys");
    await here.watch("lost");
    const report = await add(lines([5]));
    assert.deepEqual([report.failed, report.lines[0].became], [1, "failed"]);
    refused(await put(1, true), 503, "POOL_STORE");
    refused(await erase(0), 503, "POOL_STORE");
    await here.watch("found");
    const stored = () => here.database.prepare("SELECT state FROM keys WHERE id = ?1")
      .bind(KEYS[1].id).first();
    await until(stored, ({ state }) => state === "disabled", "it is not stored");
    assert.equal((await erase(0)).status, 204);
    assert.equal(await rows(here, "keys"), 3);
    assert.deepEqual((await look("/alarms")).standing.map(({ alarm }) => alarm), ["store"]);
  }));

await check("no key, token or master key was in any answer or line of the log", async () => {
  assert.ok(said.length > 400);
  const secrets = [ADMIN_TOKEN, OTHER_TOKEN, await masterKey("master-key"),
    ...KEYS.map(({ key }) => key.slice(-12))];
  for (const secret of secrets) {
    const leak = said.find((text) => text.includes(secret));
    assert.equal(leak, undefined);
  }
});

conclude();
