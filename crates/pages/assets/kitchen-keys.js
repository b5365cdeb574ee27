// The keys: found, looked at, and changed, one or many at once.

import { at, count, element, isInUse, percent, row, when, write } from "/pool/assets/shared.js";
import { sentence, words } from "/pool/assets/words.js";

const PAGE = 100;
const AT_ONCE = 1000;
let kitchen;
let next = null;
let keys = new Map();
let lent = 0;
/** What was asked last: an answer to anything before it comes too late. */
let turn = 0;
/** Looks that somebody asked for and that are under way: the page's own must not overtake them. */
let wanted = 0;
const chosen = new Set();

export function begin(given) {
  kitchen = given;
  at("seek").addEventListener("submit", (event) => {
    event.preventDefault();
    find();
  });
  at("state").addEventListener("change", find);
  at("more").addEventListener("click", () => more().catch(kitchen.trouble));
  at("all").addEventListener("change", () => {
    for (const box of boxes()) choose(box, at("all").checked);
    showChosen();
  });
  at("listed").addEventListener("change", (event) => {
    choose(event.target, event.target.checked);
    showChosen();
  });
  for (const act of ["disable", "enable", "erase"]) {
    at(act).addEventListener("click", () => change(act).catch(kitchen.trouble));
  }
}

export async function refresh(_, first) {
  if (first) await find();
  // What somebody is about to change must not move under their hand.
  else if (chosen.size === 0 && keys.size <= PAGE && !wanted && !isInUse(at("listed"))) await load(false);
}

async function find() {
  chosen.clear();
  showChosen();
  await asked(false).catch(kitchen.trouble);
}

const more = () => asked(true);

async function asked(further) {
  wanted += 1;
  await load(further).finally(() => { wanted -= 1; });
}

/** Fills a page, or a further one. A page of the server's may be short and yet have a next. */
async function load(further) {
  turn += 1;
  const mine = turn;
  const found = new Map(further ? keys : []);
  const [state, text] = [at("state").value, at("text").value.trim()];
  const enough = found.size + PAGE;
  let after = further ? next : 0;
  while (after !== null && found.size < enough) {
    const query = new URLSearchParams({ limit: PAGE, after });
    if (state) query.set("state", state);
    if (text) query.set("text", text);
    const page = await kitchen.operate(`/keys?${query}`);
    if (mine !== turn) return;
    for (const key of page.keys) found.set(key.id, key);
    after = page.next;
    lent = page.lent_calls;
  }
  [keys, next] = [found, after];
  at("listed").replaceChildren(...[...keys.values()].map(line));
  write("shown", words.shown(count(keys.size), next !== null));
  at("more").hidden = next === null;
}

function line(key) {
  const box = element("input", { type: "checkbox", "aria-label": words.select(key.id), value: key.id });
  box.checked = chosen.has(key.id);
  const resting = new Set(key.cooldowns.map((rest) => rest.model ?? words.anyModel));
  const state = element("span", { class: `state state-${key.state}` }, words.word[key.state]);
  const cells = [box, ["id", key.id], state, sentence(key.why), [...resting].join(", ")];
  return row(...cells, ["nowrap", when(key.joined)], ["number", count(key.lent.calls)],
    ["number", percent(key.lent.calls, lent)], ["number", count(key.borrowed.calls)]);
}

const boxes = () => at("listed").querySelectorAll("input");

function choose(box, yes) {
  box.checked = yes;
  if (yes) chosen.add(box.value);
  else chosen.delete(box.value);
}

function showChosen() {
  write("selected", chosen.size ? words.selected(count(chosen.size)) : "");
  for (const act of ["disable", "enable", "erase"]) at(act).disabled = chosen.size === 0;
  at("all").checked = chosen.size > 0 && chosen.size === keys.size;
}

async function change(act) {
  const asked = words.sure[act]?.(count(chosen.size));
  if (asked && !(await kitchen.sure(asked))) return;
  const ids = [...chosen];
  const sum = { done: 0, unknown: 0 };
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const some = ids.slice(from, from + AT_ONCE);
    const json = { do: act, keys: some };
    const told = await kitchen.operate("/keys/changes", { method: "POST", json });
    sum.done += told.done;
    sum.unknown += told.unknown;
  }
  await find();
  kitchen.say(words.done(count(sum.done), sum.unknown && count(sum.unknown)));
}
