// What pages have in common: asking the server, and putting text on the page. Text is set as text,
// never as markup, whoever wrote it.

import { language } from "/pool/assets/words.js";

export const at = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) {
      made.setAttribute(attribute, value === true ? "" : value);
    }
  }
  made.append(...children.filter((child) => child !== undefined && child !== null));
  return made;
}

/** A row of a table: each cell is a text, a node, or both with a class: `["number", 7]`. */
export function row(...cells) {
  const made = cells.map((cell) => {
    const [kind, content] = Array.isArray(cell) ? cell : [undefined, cell];
    return element("td", { class: kind }, content instanceof Node ? content : String(content ?? ""));
  });
  return element("tr", {}, ...made);
}

/** Sets a text only if it differs, so that nothing flickers and no reader repeats itself. */
export function write(id, text) {
  const place = at(id);
  if (place.textContent !== String(text)) place.textContent = text;
}

/** An answer that is no success; what it says is for people. */
export class Refused extends Error {
  constructor(status, error) {
    super(error?.message ?? `HTTP ${status}`);
    this.status = status;
    this.reason = error?.details?.find((detail) => detail.reason)?.reason;
  }
}

/** Asks this server; gives what it told, read as JSON or as a blob, or throws `Refused`. */
export async function ask(path, { method = "GET", headers = {}, json, text, as = "json" } = {}) {
  const body = json === undefined ? text : JSON.stringify(json);
  const type = json === undefined ? "text/plain" : "application/json";
  const labelled = body === undefined ? headers : { ...headers, "content-type": type };
  const options = { method, headers: labelled, body, cache: "no-store", credentials: "same-origin" };
  const answer = await fetch(path, options).catch(() => { throw new Refused(0); });
  if (!answer.ok) {
    const told = await answer.json().catch(() => undefined);
    throw new Refused(answer.status, told?.error);
  }
  return answer.status === 204 ? undefined : answer[as]().catch(() => undefined);
}

/** Opens a dialog; whether it is closed with a yes. Browsers differ in what Escape leaves of an earlier
 * answer, so there is none. */
export function asked(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((told) => {
    dialog.addEventListener("close", () => told(dialog.returnValue === "yes"), { once: true });
  });
}

/** Whether somebody is about to use what is in there, which must not be taken from under their hand. */
export function isInUse(place) {
  const selection = getSelection();
  return place.contains(document.activeElement) ||
    (!selection.isCollapsed && place.contains(selection.anchorNode));
}

const number = new Intl.NumberFormat(language);
export const count = (value) => number.format(value ?? 0);

const share = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });
/** A part of a whole; nothing where there is no whole. */
export const percent = (part, whole) => (whole > 0 ? share.format(part / whole) : "");

const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

/** A moment: how far it is, and when exactly. */
export function when(text) {
  const then = new Date(text);
  const seconds = Math.round((then - Date.now()) / 1000);
  const steps = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
  const [unit, size] = steps.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  const far = relative.format(Math.trunc(seconds / size), unit);
  return element("time", { datetime: text, title: moment.format(then) }, far);
}

export const timeOfDay = (text) => clock.format(new Date(text));
export const wholeMoment = (text) => moment.format(new Date(text));

/** Does something now and then, while the page is looked at and nothing of it is under way. */
export function every(milliseconds, act) {
  let busy = false;
  const turn = async () => {
    if (busy || document.hidden) return;
    busy = true;
    await act().catch(() => undefined);
    busy = false;
  };
  setInterval(turn, milliseconds);
  document.addEventListener("visibilitychange", turn);
}
