// Access tokens and invites: made, looked at, revoked. What is made is shown once.

import { at, count, element, isInUse, row, when } from "/pool/assets/shared.js";
import { words } from "/pool/assets/words.js";

const LIMITS = ["requests_per_minute", "requests_per_day", "tokens_per_minute", "tokens_per_day"];
let kitchen;

export function begin(given) {
  kitchen = given;
  onSubmit("make-token", () => make("/tokens", newToken()));
  onSubmit("make-invite", () => make("/invites", newInvite()));
}

export async function refresh() {
  const [{ tokens }, { invites }] =
    await Promise.all([kitchen.operate("/tokens"), kitchen.operate("/invites")]);
  fill("tokens-listed", tokens.map(tokenRow));
  fill("invites-listed", invites.map(inviteRow));
}

/** A button that somebody is about to press is not taken from them. */
function fill(id, rows) {
  if (!isInUse(at(id))) at(id).replaceChildren(...rows);
}

function onSubmit(id, act) {
  at(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    await act().then(() => event.target.reset()).catch(kitchen.trouble);
  });
}

async function make(path, json) {
  const told = await kitchen.operate(path, { method: "POST", json });
  kitchen.once(told.token ?? told.code);
  await refresh();
}

function newToken() {
  const models = at("token-models").value.split("\n").map((name) => name.trim()).filter(Boolean);
  const limits = LIMITS.map((name) => [name, number(name.replaceAll("_", "-"))]);
  return {
    name: at("token-name").value.trim(),
    expires: endOf("token-expires"),
    models: models.length ? models : null,
    ...Object.fromEntries(limits),
  };
}

function newInvite() {
  return {
    name: at("invite-name").value.trim(),
    uses: number("invite-uses"),
    expires: endOf("invite-expires"),
  };
}

const number = (id) => (at(id).value === "" ? null : Number(at(id).value));
/** A day that somebody chose ends with it, where they are. */
const endOf = (id) => (at(id).value === "" ? null : new Date(`${at(id).value}T23:59:59`).toISOString());

function tokenRow(token) {
  const limits = LIMITS.filter((name) => token[name] !== null)
    .map((name) => `${words.limit[name]} ${count(token[name])}`);
  const models = token.models ?? [];
  return row(token.name, state(token), [...limits, ...models].join(", "), time(token.expires),
    time(token.used), ["number", count(token.today.requests)],
    ["number", count(token.total.requests)], ["number", count(token.total.tokens)],
    revoke(token, "/tokens"));
}

function inviteRow(invite) {
  const used = `${count(invite.used)} / ${count(invite.uses)}`;
  return row(invite.name, state(invite), ["number", used], time(invite.expires), revoke(invite, "/invites"));
}

const time = (moment) => (moment ? when(moment) : "");

const state = (one) =>
  element("span", { class: `state state-${one.state === "good" ? "active" : "disabled"}` },
    words.word[one.state] ?? one.state);

function revoke({ id, name }, path) {
  const button = element("button", { type: "button", class: "grave" }, words.revoke);
  button.setAttribute("aria-label", `${words.revoke}: ${name}`);
  button.addEventListener("click", async () => {
    if (!(await kitchen.sure(words.sure.revoke(name)))) return;
    button.blur();
    await kitchen.operate(`${path}/${id}`, { method: "DELETE" }).then(refresh).catch(kitchen.trouble);
  });
  return button;
}
