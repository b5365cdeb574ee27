// A contributor's place. The key is held by this module alone, and goes in a header.

import { ask, at, count, element, every, row, when, wholeMoment, write } from "/pool/assets/shared.js";
import { draw } from "/pool/assets/chart.js";
import { sentence, words } from "/pool/assets/words.js";

const EVERY = 10_000;
const DAYS = 30;
let key;
/** The limits that the form shows, as the server told them. */
let told;

const mine = (path = "", options = {}) =>
  ask(`/pool/me${path}`, { ...options, headers: { "x-goog-api-key": key } });

at("show").addEventListener("submit", async (event) => {
  event.preventDefault();
  key = at("key").value.trim();
  say("");
  await look(true);
});

async function look(first) {
  try {
    show(await mine(), first);
    await showDays();
  } catch (refused) {
    trouble(refused);
  }
}

function trouble(refused) {
  const known = { POOL_UNKNOWN_KEY: words.unknownKey, POOL_NOT_A_KEY: words.notAKey };
  at("place").hidden = true;
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
      await mine("", { method: "PATCH", json: { paused: false } });
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
  at("lend-models").value = (limits.lend_models ?? []).join("\n");
}

function wished() {
  const perDay = at("lend-per-day").value.trim();
  const models = at("lend-models").value.split("\n").map((name) => name.trim()).filter(Boolean);
  return {
    paused: at("paused").checked,
    borrow: at("borrow").checked,
    lend_per_day: perDay === "" ? null : Number(perDay),
    lend_models: models.length ? models : null,
  };
}

/** What differs from what the server told: the rest may have been changed elsewhere meanwhile. */
function changes() {
  const differs = ([name, value]) => JSON.stringify(value) !== JSON.stringify(told[name]);
  return Object.fromEntries(Object.entries(wished()).filter(differs));
}

const isEdited = () => told !== undefined && Object.keys(changes()).length > 0;

at("limits").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    show(await mine("", { method: "PATCH", json: changes() }), false);
    const { limits } = await mine();
    showLimits(limits);
    say(words.saved);
  } catch (refused) {
    say(refused.message);
  }
});

at("leave").addEventListener("click", () => at("sure").showModal());
at("sure").addEventListener("close", async () => {
  if (at("sure").returnValue !== "yes") return;
  try {
    await mine("", { method: "DELETE" });
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
  key = undefined;
  told = undefined;
  at("key").value = "";
  at("place").hidden = true;
  at("key").focus();
}

const say = (text) => write("said", text);

/** An edition that does not keep usage by day has nothing to show. */
async function showDays() {
  const usage = await mine(`/usage?days=${DAYS}`).catch(() => undefined);
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
  if (key !== undefined && !at("sure").open) await look(false);
});
