// What operators are told at the edge, in workerd, with Google's stand-in behind: use, attempts and
// alarms, settings and pages; and all of it, and their decisions, where the pool is in four parts.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { check, conclude } from "./checks.mjs";
import {
  ADMIN_TOKEN, MODEL, TOLD, UNKNOWN, bearing, kitchen, lines, name, named, refused, rows, serve,
  sim, sleep, until, upTo, uses,
} from "./seated.mjs";
import { KEYS, masterKey, said } from "./staged.mjs";

const PARTS = 4;
const EVERYONE = upTo(KEYS.length);

const DESCRIPTION = join(import.meta.dirname, "../../../docs/openapi.json");
const DESCRIBED = JSON.parse(await readFile(DESCRIPTION, "utf8"));

/** An empty pool in four parts, and keys that Google alone knows. */
const split = (body) =>
  kitchen(0, async (here, operator) => {
    await sim.seat(KEYS);
    await body(here, operator);
  }, { bindings: { POTLUCK_SHARDS: String(PARTS) } });

/** Calls of this day: lent, borrowed, own, and those that failed. */
function spent({ days }) {
  const { lent, borrowed, own, failed } = days.at(-1).models[MODEL];
  return [lent.calls, borrowed.calls, own.calls, failed];
}

/** The same of each key, out of a table. */
function tabled(text) {
  const [head, ...all] = text.trimEnd().split("\r\n");
  assert.match(head, /^day,key,model,lent_calls,lent_tokens,borrowed_calls,/);
  const row = ([, key, , ...counts]) => [key, counts.filter((_, at) => at % 2 === 0).map(Number)];
  return Object.fromEntries(all.map((line) => row(line.split(","))));
}

await check("use is told with the calls of a moment ago, to operators and to contributors", () =>
  kitchen(2, async (here, { send, look }) => {
    const mine = (who, query = "days=1") => here.ask("GET", `/pool/me/usage?${query}`, who);
    await serve(here, 0, 5);
    const lent = await uses(1);
    const all = [lent, lent, 5 - lent, 0];
    const today = await look("/usage?days=1");
    assert.deepEqual([today.days.length, spent(today)], [1, all]);
    const each = [[0, lent, 5 - lent, 0], [lent, 0, 0, 0]];
    const table = await send("GET", "/usage.csv?days=1");
    assert.equal(table.headers.get("content-type"), "text/csv; charset=utf-8");
    assert.deepEqual(tabled(table.text), { [name(0)]: each[0], [name(1)]: each[1] });
    for (const n of [0, 1]) {
      const { json } = await mine(n);
      assert.deepEqual(spent(json), each[n]);
      assert.deepEqual(await look(`/usage?days=1&key=${name(n)}`), json);
      assert.deepEqual((await mine(undefined, `key=${KEYS[n].key}&days=1`)).json, json);
    }
    refused(await mine(7), 404, "POOL_UNKNOWN_KEY");
    refused(await mine(undefined), 403, "POOL_NO_KEY");
    refused(await mine(0, "days=91"), 400, "POOL_REFUSED");
    refused(await send("GET", "/usage?days=0"), 400, "POOL_REFUSED");
    await here.watch("restart");
    const month = await look("/usage");
    assert.deepEqual([month.days.length, spent(month)], [30, all]);
  }));

await check("what happens is seen from the first look on, and nothing twice", () =>
  kitchen(2, async (here, { send, look, put }) => {
    await serve(here, 0, 2);
    // What was told late would be seen as if it had happened since.
    await sleep(TOLD);
    let { sights, last } = await look("/sights");
    assert.deepEqual(sights, []);
    await sim.forget();
    await serve(here, 0, 6);
    const seen = [];
    await until(async () => {
      ({ sights, last } = await look(`/sights?after=${last}`));
      return seen.push(...sights);
    }, (count) => count >= 6, "attempts are missing");
    for (const { what, model, verdict, attempt } of seen) {
      assert.deepEqual([what, model, verdict, attempt], ["attempt", MODEL, "served", 1]);
    }
    const used = await Promise.all([0, 1].map(uses));
    assert.deepEqual([0, 1].map((n) => seen.filter(({ key }) => key === name(n)).length), used);
    for (const out of [true, false]) await put(1, out);
    ({ sights, last } = await look(`/sights?after=${last}`));
    assert.deepEqual(sights.map(({ what, key }) => [what, key]), [["out", name(1)],
      ["back", name(1)]]);
    assert.deepEqual((await look(`/sights?after=${last}`)).sights, []);
    refused(await send("GET", "/sights?after=x"), 400, "POOL_REFUSED");
  }));

await check("a key that dies is told of late, and a low pool stands until it is one no more", () =>
  kitchen(4, async (here, { look, decide }) => {
    assert.deepEqual(await look("/alarms"), { standing: [], late: [] });
    await sim.become(KEYS[1], "invalid");
    const alarms = async () => (await serve(here, 0, 2), look("/alarms"));
    const { late } = await until(alarms, ({ late }) => late.length, "nobody is told");
    assert.deepEqual(late.map(({ alarm, change, key }) => [alarm, change, key]),
      [["key-died", "told", name(1)]]);
    const standing = async () => (await look("/alarms")).standing.map(({ alarm }) => alarm);
    await decide("disable", named(upTo(4)));
    assert.deepEqual(await standing(), ["pool-low"]);
    await decide("enable", named(upTo(4)));
    assert.deepEqual(await standing(), []);
    assert.deepEqual((await look("/alarms")).late.map(({ change }) => change),
      ["cleared", "raised", "told"]);
  }));

await check("settings, description and pages are told, and what is not here is told to be so", () =>
  kitchen(2, async (here, { send, look }) => {
    const { settings } = await look("/settings");
    const upstream = settings.find((one) => one.name === "upstream");
    assert.deepEqual([upstream.value, upstream.from === "default"], [sim.url, false]);
    assert.ok(settings.some((one) => one.name === "shards"));
    assert.deepEqual(await look("/openapi.json"), DESCRIBED);
    assert.deepEqual(await look("/tokens"), { tokens: [] });
    assert.deepEqual(await look("/invites"), { invites: [] });
    for (const target of ["/tokens", "/invites", "/rekey"]) {
      const { status, json: { error } } = await send("POST", target, { name: "x" });
      assert.ok(status >= 400 && status < 500 && error.message.length > 20, target);
    }
    refused(await send("GET", "/nothing"), 404, "POOL_NO_ROUTE");
    refused(await send("PUT", "/keys", ""), 405, "POOL_METHOD");
    const visit = (path, shown) =>
      here.ask("GET", path, undefined, undefined, { origin: here.url, ...shown });
    const [page, numbers] = [await visit("/admin"), await visit("/metrics", bearing(ADMIN_TOKEN))];
    for (const { headers } of [page, numbers]) {
      assert.equal(headers.get("access-control-allow-origin"), null);
    }
    assert.deepEqual([page.status, numbers.status], [200, 200]);
    assert.match(page.headers.get("content-type"), /^text\/html/);
    assert.match(numbers.text, /^potluck_keys\{kind="serving"\} 2$/m);
    refused(await visit("/metrics"), 401, "POOL_NOT_ADMIN");
  }));

await check("parts: keys are added, counted, listed and changed as those of one pool", () =>
  split(async (here, { look, add, decide, pages }) => {
    const report = await add(lines(EVERYONE));
    assert.deepEqual(report.lines.map(({ line, became, id }) => [line, became, id]),
      EVERYONE.map((n) => [n + 1, "added", name(n)]));
    const [evens, odds] = [0, 1].map((rest) => EVERYONE.filter((n) => n % 2 === rest));
    const many = [UNKNOWN, ...evens.map(name), "k_nobody"];
    assert.deepEqual(await decide("disable", many), { done: evens.length, unknown: 2 });
    for (const restarts of [0, 1]) {
      if (restarts) assert.equal(await here.watch("restart"), PARTS);
      const { serving, disabled } = (await look("/status")).keys;
      assert.deepEqual([serving, disabled], [odds.length, evens.length]);
      assert.deepEqual(await pages(), named(EVERYONE));
      assert.deepEqual(await pages("&state=disabled"), named(evens));
    }
    const { keys, next } = await look("/keys");
    assert.deepEqual([keys.length, next], [KEYS.length, null]);
    assert.deepEqual(await decide("erase", many), { done: evens.length, unknown: 2 });
    assert.deepEqual([await pages(), await rows(here, "keys")], [named(odds), odds.length]);
  }));

await check("parts: use and attempts of all parts are told together, each once", () =>
  split(async (here, { send, look, add }) => {
    const calls = 3 * KEYS.length;
    await add(lines(EVERYONE));
    const { last } = await look("/sights");
    assert.match(last, /^\d+(\.\d+){3}$/);
    await Promise.all(EVERYONE.map((n) => serve(here, n, 3)));
    const [lent, borrowed, own, failed] = spent(await look("/usage?days=1"));
    assert.deepEqual([lent + own, borrowed, failed], [calls, lent, 0]);
    const each = tabled((await send("GET", "/usage.csv?days=1")).text);
    for (const n of EVERYONE) {
      const { json } = await here.ask("GET", "/pool/me/usage?days=1", n);
      assert.deepEqual(spent(json), each[name(n)]);
    }
    assert.equal(Object.keys(each).length, KEYS.length);
    const { sights } = await look(`/sights?after=${last}`);
    const times = sights.map(({ at }) => Date.parse(at));
    assert.deepEqual([times.length, times], [calls, [...times].sort((a, b) => a - b)]);
    assert.equal((await look("/status")).attempts.served, calls);
    assert.equal((await look("/keys?limit=1")).lent_calls, lent);
  }));

await check("no key, token or master key was in any answer or line of the log", async () => {
  assert.ok(said.length > 200);
  const secrets = [ADMIN_TOKEN, await masterKey("master-key"),
    ...KEYS.map(({ key }) => key.slice(-12))];
  for (const secret of secrets) {
    const leak = said.find((text) => text.includes(secret));
    assert.equal(leak, undefined);
  }
});

conclude();
