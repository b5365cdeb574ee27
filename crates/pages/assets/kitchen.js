// The operators' page: signs in and out, and shows one part of the kitchen at a time. Each part is
// a module of its own that says how it refreshes itself.

import { Refused, ask, asked, at, every, write } from "/pool/assets/shared.js";
import { words } from "/pool/assets/words.js";
import * as pool from "/pool/assets/kitchen-pool.js";
import * as keys from "/pool/assets/kitchen-keys.js";
import * as add from "/pool/assets/kitchen-add.js";
import * as sights from "/pool/assets/kitchen-sights.js";
import * as tokens from "/pool/assets/kitchen-tokens.js";
import * as settings from "/pool/assets/kitchen-settings.js";

const EVERY = 2_000;
const parts = { pool, keys, add, sights, tokens, settings };
let shown;
/** Whether the trouble that is shown is that of looking anew, which is over once that goes well. */
let polls = false;

/** Asks the operators' API as the session that this browser holds. */
async function operate(path, options = {}) {
  try {
    return await ask(`/pool/admin/v1${path}`, {
      ...options,
      headers: { "x-potluck-page": "1" },
    });
  } catch (refused) {
    if (refused.status === 401) signedOut();
    throw refused;
  }
}

const kitchen = {
  operate,
  say: (text) => write("said", text),
  trouble(refused) {
    polls = false;
    at("trouble").hidden = false;
    write("trouble", refused.status === 0 ? words.unreached : refused.message);
  },
  /** Shows what is told once. */
  once(secret) {
    write("once-secret", secret);
    at("once").showModal();
  },
  /** Whether somebody is sure, asked once. */
  sure(title, what) {
    write("sure-title", title);
    write("sure-what", what ?? "");
    return asked(at("sure"));
  },
};

at("once-copy").hidden = !navigator.clipboard;
at("once-copy").addEventListener("click", () =>
  navigator.clipboard.writeText(at("once-secret").textContent));
at("once").addEventListener("close", () => write("once-secret", ""));

at("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  at("trouble").hidden = true;
  try {
    const token = at("token").value.trim();
    await ask("/pool/admin/v1/session", { method: "POST", json: { token } });
    at("token").value = "";
  } catch (refused) {
    const known = { 401: words.signIn.wrong, 429: words.signIn.wait };
    kitchen.trouble(new Refused(refused.status, { message: known[refused.status] ?? refused.message }));
    return;
  }
  await enter((refused) => refused.status === 401
    ? new Refused(401, { message: words.signIn.insecure }) : refused);
});

at("sign-out").addEventListener("click", async () => {
  await operate("/session", { method: "DELETE" }).catch(() => undefined);
  signedOut();
});

function signedOut() {
  at("kitchen").hidden = true;
  at("sign-out").hidden = true;
  at("sign-in").hidden = false;
  shown = undefined;
  at("token").focus();
}

/** Shows the kitchen to whoever is signed in, and the door to everybody else; `why` says what is to be
 * told of a refusal, if anything. */
async function enter(why) {
  try {
    await operate("/session");
  } catch (refused) {
    signedOut();
    const told = why(refused);
    if (told) kitchen.trouble(told);
    return;
  }
  at("kitchen").hidden = false;
  at("sign-out").hidden = false;
  at("sign-in").hidden = true;
  await show();
}

async function show() {
  const wanted = location.hash.slice(1);
  const name = wanted in parts ? wanted : "pool";
  for (const other of Object.keys(parts)) at(`part-${other}`).hidden = other !== name;
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  shown = parts[name];
  kitchen.say("");
  await refresh(true);
}

async function refresh(first) {
  try {
    await shown?.refresh?.(kitchen, first);
    if (first || polls) at("trouble").hidden = true;
    polls = false;
  } catch (refused) {
    if (refused.status === 401) return;
    const others = !first && !polls && !at("trouble").hidden;
    if (others) return;
    kitchen.trouble(refused);
    polls = true;
  }
}

for (const part of Object.values(parts)) part.begin?.(kitchen);
addEventListener("hashchange", () => { if (shown) show(); });
every(EVERY, () => refresh(false));
enter((refused) => (refused.status === 401 ? undefined : refused));
