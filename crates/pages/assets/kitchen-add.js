// Keys are added some lines at a time, so that progress is seen and a long list can be watched.

import { at, count, element, write } from "/pool/assets/shared.js";
import { sentence, words } from "/pool/assets/words.js";

/** Lines sent at once: some tenths of a second. */
const AT_ONCE = 500;
/** Lines told of that were not taken: more than anybody reads. */
const TOLD = 1000;

export function begin(kitchen) {
  at("adding").addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter;
    button.disabled = true;
    await add(kitchen).catch(kitchen.trouble);
    button.disabled = false;
  });
}

async function add({ operate }) {
  const lines = [...of("", at("lines").value)];
  for (const file of at("file").files) lines.push(...of(`${file.name}: `, await file.text()));
  if (lines.length === 0) return;
  const sum = { added: 0, known: 0, withdrawn: 0, full: 0, bad: 0, failed: 0 };
  const missed = [];
  at("progress").hidden = false;
  at("missed").hidden = true;
  write("report", "");
  for (let from = 0; from < lines.length; from += AT_ONCE) {
    const some = lines.slice(from, from + AT_ONCE);
    const text = some.map((line) => line.text).join("\n");
    const told = await operate("/keys", { method: "POST", text });
    for (const word of Object.keys(sum)) sum[word] += told[word];
    const bad = told.lines.filter((line) => line.id === undefined);
    missed.push(...bad.map((line) => ({ ...line, ...some[line.line - 1] })));
    const done = Math.min(from + AT_ONCE, lines.length);
    at("bar").value = done / lines.length;
    write("sent", words.sent(count(done), count(lines.length)));
  }
  const counted = Object.entries(sum).map(([word, often]) => [word, count(often)]);
  write("report", words.report(Object.fromEntries(counted)));
  showMissed(missed);
  // What could not be written is there to be sent again.
  const failed = missed.filter(({ became }) => became === "failed");
  at("lines").value = failed.map(({ text }) => text).join("\n");
  at("file").value = "";
}

/** The lines of a text, each with the words for where it stood. */
const of = (name, text) => text.trimEnd() === "" ? [] : text.trimEnd().split(/\r?\n/)
  .map((line, n) => ({ text: line, place: `${name}${words.line} ${n + 1}` }));

function showMissed(missed) {
  at("missed").hidden = missed.length === 0;
  write("missed-title", words.notTaken(count(missed.length)));
  const told = missed.slice(0, TOLD).map(({ place, became, why }) =>
    element("li", {}, `${place}: ${why ? sentence(why) : words.word[became]}`));
  at("missed-lines").replaceChildren(...told);
}
