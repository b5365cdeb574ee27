// The Worker set up whole, for a suite's checks: with keys to put into its database, and with an ear
// on all that it says.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Miniflare, world } from "./local.mjs";

const option = { type: "string" };
export const { values } = parseArgs({ options: { bundle: option, folder: option, sim: option } });

/** A master key that lies in the folder. */
export const masterKey = async (name) => (await readFile(join(values.folder, name), "utf8")).trim();
const MASTER_KEY = await masterKey("master-key");

/** Made-up keys: what their bearers show, and what the store holds of them. */
export const KEYS = (await readFile(join(values.folder, "sealed-keys"), "utf8"))
  .trim()
  .split("\n")
  .map((line) => {
    const [key, ...rest] = line.split(" ");
    const [id, sealed, tombstone] = rest.map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));
    return { key, id, sealed, tombstone };
  });

/** All that the Workers of this suite have answered or logged. */
export const said = [];

/** Runs `body` with a Worker set up whole, but for `changes`. */
export async function staged(changes, body) {
  const worker = new Miniflare({
    ...(await world(values.bundle, { DB: "potluck" })),
    bindings: { POTLUCK_MASTER_KEY: MASTER_KEY },
    handleRuntimeStdio: (...streams) =>
      streams.forEach((stream) => stream.on("data", (text) => said.push(String(text)))),
    ...changes,
  });
  const get = async (path, init) => {
    const answer = await worker.dispatchFetch(`http://worker${path}`, init);
    said.push(await answer.clone().text(), JSON.stringify([...answer.headers]));
    return answer;
  };
  try {
    const database = await worker.getD1Database("DB").catch(() => undefined);
    // Where a worker listens itself, if it does: miniflare hides who hangs up.
    const direct = async (name) => String(await worker.unsafeGetDirectURL(name)).slice(0, -1);
    await body({ get, database, url: await worker.ready, direct });
  } finally {
    await worker.dispose();
  }
}

/** Puts one of the keys into the database. */
export const seat = (database, { id, sealed }, changes = {}) => {
  const row = { id, sealed, joined_at: 1, state: "active", changed_at: 1, ...changes };
  if (row.state === "disabled") row.reason = "API_KEY_INVALID";
  const names = Object.keys(row);
  const places = names.map((_, n) => `?${n + 1}`);
  return database
    .prepare(`INSERT INTO keys (${names}) VALUES (${places})`)
    .bind(...Object.values(row))
    .run();
};
