// Google's stand-in as a process of its own, and a hand on what steers it.

import { spawn } from "node:child_process";

import { values } from "./staged.mjs";

/** Starts it; it ends with this script. */
export async function start() {
  const options = ["--listen", "127.0.0.1:0", "--keys", "1"];
  const child = spawn(values.sim, options, { stdio: ["ignore", "pipe", "inherit"] });
  process.on("exit", () => child.kill());
  let said = "";
  for await (const text of child.stdout.setEncoding("utf8")) {
    said += text;
    const [, url] = said.match(/listens on (http:\S+)\n/) ?? [];
    if (url) return steered(url);
  }
  throw new Error(`${values.sim} did not start: ${said}`);
}

function steered(url) {
  const ask = async (method, path, body) => {
    const answer = await fetch(`${url}/sim/${path}`, { method, body: JSON.stringify(body) });
    const told = await answer.json();
    if (!answer.ok) throw new Error(JSON.stringify(told));
    return told;
  };
  return {
    url,
    reset: () => ask("POST", "reset"),
    /** Good keys without limits, each of a project of its own. */
    seat: (keys) => ask("POST", "keys", keys.map(({ key }, n) => ({ key, project: n + 1 }))),
    /** So much may the n-th of them spend on a model. */
    limit: (n, model, limits) =>
      ask("POST", "quotas", { project: n + 1, model, family: "generate", limits }),
    /** From now on that is the matter with a key. */
    become: ({ key }, state) => ask("PATCH", "keys", { key, state }),
    rule: (rule) => ask("POST", "rules", rule),
    clear: () => ask("DELETE", "rules"),
    log: () => ask("GET", "log"),
    forget: () => ask("DELETE", "log"),
    counters: () => ask("GET", "counters"),
  };
}
