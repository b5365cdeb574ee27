// Puts `watched.mjs` before the bundle's entry.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

/** That world of the bundle's, with what is asked of D1 counted. */
export async function watched({ modules, ...rest }, bundle) {
  const contents = await readFile(join(import.meta.dirname, "watched.mjs"), "utf8");
  const path = join(bundle, "watched.mjs");
  return { ...rest, modules: [{ type: "ESModule", path, contents }, ...modules] };
}
