// A contributor's place. The key is held by this module alone, and goes in a header.

import { ask, asked, at, count, element, every, row, when, wholeMoment, write } from "/pool/assets/shared.js";
import { draw } from "/pool/assets/chart.js";
import { sentence, words } from "/pool/assets/words.js";

const EVERY = 10_000;
const DAYS = 30;
let key;
/** The limits that the form shows, as the server told them. */
let told;
/** What was asked last: an answer to anything before it comes too late. */
let turn = 0;
/** Looks that somebody asked for and that are under way: the page's own must not overtake them. */
let looking = 0;

const mine = (path = "", options = {}) =>
  ask(`/pool/me${path}`, { ...options, headers: { "x-goog-api-key": key } });

at("show").addEventListener("submit", async (event) => {
  event.preventDefault();
  key = at("key").value.trim();
  say("");
  looking += 1;
  await look(true).finally(() => { looking -= 1; });
});

async function look(first) {
  turn += 1;
  const isLast = ((mine) => () => mine === turn)(turn);
  try {
    const me = await mine();
    if (!isLast()) return;
    show(me, first);
    await showDays(isLast);
  } catch (refused) {
    if (!isLast()) return;
    // What somebody reads or edits stays when a later look goes wrong.
    if (first || refused.status === 404) at("place").hidden = true;
    trouble(refused);
  }
}

/** Asks for something to be done, which no look that is under way may overtake. */
function act(path, options) {
  turn += 1;
  return mine(path, options).finally(() => { turn += 1; });
}

function trouble(refused) {
  const known = { POOL_UNKNOWN_KEY: words.unknownKey, POOL_NOT_A_KEY: words.notAKey };
  at("trouble").hidden = false;
  write("trouble", refused.status === 0 ? words.unreached : known[refused.reason] ?? refused.message);
}

function show(me, first) {
  at("trouble").hidden = true;
  at("place").hidden = false;
  write("state", words.state[me.state] ?? me.state);
  at("state").className = `state state-${me.state}`;
  const since = me.since ? words.since(wholeMoment(me.since)) : "";
  const fine = me.cooldowns?.length ? words.restsForSome : words.serves;
  write("why", me.why ? `${sentence(me.why)}${since}` : me.state === "active" ? fine : "");
  const member = me.id !== undefined;
  write("names", member ? words.names(me.id, wholeMoment(me.joined)) : "");
  for (const part of ["lent", "borrowed"]) {
    write(`${part}-calls`, count(me[part]?.calls));
    write(`${part}-tokens`, count(me[part]?.tokens));
  }
  at("resting").hidden = !me.cooldowns?.length;
  at("cooldowns").replaceChildren(...(me.cooldowns ?? []).map((rest) =>
    row(rest.model ?? words.anyModel, sentence(rest.why), ["nowrap", when(rest.until)])));
  at("wishes").hidden = !member;
  at("leave").hidden = !member;
  offerReturn(me.state === "withdrawn");
  if (member && (first || !isEdited())) showLimits(me.limits);
  if (first) at("state").focus();
}

function offerReturn(offered) {
  document.getElementById("rejoin")?.remove();
  if (!offered) return;
  const button = element("button", { id: "rejoin", type: "button", class: "main" }, words.rejoin);
  button.addEventListener("click", async () => {
    try {
      await act("", { method: "PATCH", json: { paused: false } });
      say(words.mayRejoin);
      at("place").hidden = true;
    } catch (refused) {
      trouble(refused);
    }
  });
  at("why").after(button);
}

function showLimits(limits) {
  told = limits;
  at("paused").checked = limits.paused;
  at("borrow").checked = limits.borrow;
  at("lend-per-day").value = limits.lend_per_day ?? "";
  at("lend-only").checked = limits.lend_models !== null;
  at("lend-models").value = (limits.lend_models ?? []).join("\n");
  offerModels();
}

function offerModels() {
  at("lend-which").hidden = !at("lend-only").checked;
}

function wished() {
  const perDay = at("lend-per-day").value.trim();
  const models = at("lend-models").value.split("\n").map((name) => name.trim()).filter(Boolean);
  return {
    paused: at("paused").checked,
    borrow: at("borrow").checked,
    lend_per_day: perDay === "" ? null : Number(perDay),
    lend_models: at("lend-only").checked ? models : null,
  };
}

/** What differs from what the server told: the rest may have been changed elsewhere meanwhile. */
function changes() {
  const differs = ([name, value]) => JSON.stringify(value) !== JSON.stringify(told[name]);
  return Object.fromEntries(Object.entries(wished()).filter(differs));
}

const isEdited = () => told !== undefined && Object.keys(changes()).length > 0;

at("lend-only").addEventListener("change", offerModels);
at("limits").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const me = await act("", { method: "PATCH", json: changes() });
    if (key === undefined) return;
    show(me, false);
    if (me.limits) showLimits(me.limits);
    say(words.saved);
  } catch (refused) {
    say(refused.message);
  }
});

at("leave").addEventListener("click", async () => {
  if (!(await asked(at("sure")))) return;
  try {
    await act("", { method: "DELETE" });
    forget();
    say(words.withdrawn);
  } catch (refused) {
    trouble(refused);
  }
});

at("forget").addEventListener("click", () => {
  forget();
  say(words.forgotten);
});

function forget() {
  turn += 1;
  key = undefined;
  told = undefined;
  at("key").value = "";
  at("place").hidden = true;
  at("key").focus();
}

const say = (text) => write("said", text);

/** An edition that does not keep usage by day has nothing to show. */
async function showDays(isLast) {
  const usage = await mine(`/usage?days=${DAYS}`).catch(() => undefined);
  if (!isLast()) return;
  at("days").hidden = !usage?.days?.length;
  if (at("days").hidden) return;
  const days = usage.days.map(({ day }) => day);
  const models = new Map(usage.days.map(({ day, models }) => [day, Object.values(models)]));
  const sum = (day, part) =>
    models.get(day).reduce((all, model) => all + (model[part]?.calls ?? 0), 0);
  const [lent, borrowed, own] =
    ["lent", "borrowed", "own"].map((part) => days.map((day) => sum(day, part)));
  draw(at("chart"), days, [
    { label: words.lentCalls, color: "--accent", values: lent },
    { label: words.borrowedCalls, color: "--good", values: borrowed },
  ]);
  const rows = days.map((day, n) =>
    row(day, ["number", count(lent[n])], ["number", count(borrowed[n])], ["number", count(own[n])]));
  at("by-day").replaceChildren(...rows.reverse());
}

every(EVERY, async () => {
  if (key !== undefined && !looking && !at("sure").open) await look(false);
});
