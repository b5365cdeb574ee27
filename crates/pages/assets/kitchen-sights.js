// What happens, as it happens.

import { at, row, timeOfDay } from "/pool/assets/shared.js";
import { named, sentence, words } from "/pool/assets/words.js";

/** Rows shown: a few screens. */
const SHOWN = 200;
let last;

export async function refresh({ operate }, first) {
  if (at("still").checked && !first) return;
  const told = await operate(last === undefined ? "/sights" : `/sights?after=${last}`);
  last = told.last;
  at("seen").prepend(...told.sights.reverse().map(line));
  while (at("seen").rows.length > SHOWN) at("seen").lastChild.remove();
  at("unseen").hidden = at("seen").rows.length > 0;
}

function line({ at: moment, what, key, model, verdict, attempt, why, until }) {
  const number = attempt > 1 ? ` ${attempt}` : "";
  const told = verdict ? named(verdict) : sentence(why);
  return row(["nowrap", timeOfDay(moment)], `${words.word[what]}${number}`, ["id", key], model, told,
    ["nowrap", until ? timeOfDay(until) : ""]);
}
