// How the pool is.

import { at, count, element, isInUse, row, when, wholeMoment, write } from "/pool/assets/shared.js";
import { draw } from "/pool/assets/chart.js";
import { named, sentence, words } from "/pool/assets/words.js";

const DAYS = 30;
/** Days change slowly, and reading them is work for the server. */
const DAYS_EVERY = 60_000;
let kitchen;
let daysShown = -Infinity;

export function begin(given) {
  kitchen = given;
  at("csv").addEventListener("click", () => save().catch(kitchen.trouble));
}

/** A plain link could not say that it is a page of ours that asks. */
async function save() {
  const table = await kitchen.operate("/usage.csv", { as: "blob" });
  const address = URL.createObjectURL(table);
  element("a", { href: address, download: "potluck-usage.csv" }).click();
  URL.revokeObjectURL(address);
}

export async function refresh({ operate }, first) {
  const status = await operate("/status");
  for (const state of ["serving", "resting", "held", "paused", "disabled"]) {
    write(state, count(status.keys[state]));
  }
  write("withdrawn", count(status.withdrawn));
  write("begun", count(status.exchanges.begun));
  write("under-way", count(status.exchanges.under_way));
  const of = ["attempts", "refusals", "cooldowns"].flatMap((part) =>
    Object.entries(status[part]).filter(([, often]) => often > 0).map(([what, often]) =>
      row(words.of?.[part] ?? part, named(what), ["number", count(often)])));
  at("counts").replaceChildren(...of);
  await showAlarms(operate);
  if (!first && performance.now() - daysShown < DAYS_EVERY) return;
  daysShown = performance.now();
  await showDays(operate);
}

async function showAlarms(operate) {
  const told = await operate("/alarms").catch(() => undefined);
  if (!told) return;
  const standing = told.standing.map((alarm) =>
    element("p", { class: "trouble" }, `${sentence(alarm.what)} ${words.since(wholeMoment(alarm.since))}`));
  // Told once: whoever hears the page does not want to hear it every two seconds.
  const text = standing.map((one) => one.textContent).join("");
  if (at("alarms").textContent !== text) at("alarms").replaceChildren(...standing);
  at("late").hidden = told.late.length === 0;
  if (isInUse(at("late"))) return;
  at("late-listed").replaceChildren(...told.late.map((alarm) => row(["nowrap", when(alarm.at)],
    words.alarm[alarm.change], sentence(alarm.what), ["id", alarm.key ?? ""])));
}

async function showDays(operate) {
  const usage = await operate(`/usage?days=${DAYS}`).catch(() => undefined);
  at("days").hidden = !usage?.days?.length;
  if (at("days").hidden) return;
  const days = usage.days.map(({ day }) => day);
  const models = new Map(usage.days.map(({ day, models }) => [day, Object.values(models)]));
  const sum = (day, of) => models.get(day).reduce((all, model) => all + of(model), 0);
  const [lent, own, failed] = [
    (model) => model.lent.calls,
    (model) => model.own.calls,
    (model) => model.failed,
  ].map((of) => days.map((day) => sum(day, of)));
  draw(at("chart"), days, [
    { label: words.lentCalls, color: "--good", values: lent },
    { label: words.ownCalls, color: "--accent", values: own },
    { label: words.notServed, color: "--bad", values: failed },
  ]);
  const rows = days.map((day, n) =>
    row(day, ["number", count(lent[n])], ["number", count(own[n])], ["number", count(failed[n])]));
  at("by-day").replaceChildren(...rows.reverse());
}
