// The Worker in workerd on this machine, as its settings say it is deployed: one home for what the
// scripts beside this file share. Everything listens on loopback, and nothing asks the network.

import { readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";

const HERE = import.meta.dirname;
const MIGRATIONS = join(HERE, "../../store/migrations");

/** The package lies where `cargo xtask` installs it, not beside this file. */
const installed = createRequire(join(process.env.MINIFLARE_HOME ?? HERE, "/"));
export const { Miniflare, Log, LogLevel } = installed("miniflare");

/** Sockets as miniflare itself has them: the oldest Node that runs it has none. */
export const { WebSocket, WebSocketServer } = createRequire(installed.resolve("miniflare"))("ws");

/** The Worker's settings, less their comments. */
export async function settings() {
  const text = await readFile(join(HERE, "../wrangler.jsonc"), "utf8");
  const bare = text.split("\n").filter((line) => !line.trimStart().startsWith("//"));
  return JSON.parse(bare.join("\n"));
}

/** What miniflare needs to know to run the bundle with these databases, a name and an id each. */
export async function world(bundle, databases) {
  const { compatibility_date: compatibilityDate, compatibility_flags: compatibilityFlags } =
    await settings();
  return {
    host: "127.0.0.1",
    port: 0,
    cf: false,
    telemetry: { enabled: false },
    compatibilityDate,
    compatibilityFlags,
    modulesRoot: bundle,
    modules: await modules(bundle),
    durableObjects: {
      POOL: { className: "Pool", useSQLite: true },
      RELAY: { className: "Relay", useSQLite: true },
    },
    d1Databases: databases,
  };
}

/** The files of the bundle, the entry first. */
async function modules(bundle) {
  const names = await readdir(bundle, { recursive: true });
  const kinds = { mjs: "ESModule", js: "ESModule", wasm: "CompiledWasm" };
  const found = names
    .map((name) => ({ type: kinds[name.split(".").pop()], path: join(bundle, name) }))
    .filter(({ type }) => type);
  const entry = (module) => Number(module.path.endsWith("entry.mjs"));
  return found.sort((a, b) => entry(b) - entry(a));
}

/** The names of all migrations, in order. */
export async function migrations() {
  return (await readdir(MIGRATIONS)).filter((name) => name.endsWith(".sql")).sort();
}

/** Applies what is missing and records it as wrangler does, so that each reads the other's work. */
export async function migrate(database) {
  await database.prepare(CREATE_RECORD).run();
  const { results } = await database.prepare("SELECT name FROM schema_migrations").all();
  const applied = new Set(results.map(({ name }) => name));
  for (const name of await migrations()) {
    if (applied.has(name)) continue;
    const text = await readFile(join(MIGRATIONS, name), "utf8");
    // One batch is one transaction: the file and its record come together or not at all.
    await database.batch([...statements(text).map((sql) => database.prepare(sql)),
      database.prepare("INSERT INTO schema_migrations (name) VALUES (?1)").bind(name)]);
  }
}

// Wrangler's own; the column for checksums is the native edition's.
const CREATE_RECORD = `CREATE TABLE IF NOT EXISTS schema_migrations(
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`;

/** Cuts a migration at its semicolons, as D1 takes one statement at a time. */
function statements(text) {
  const tokens = text.match(/--[^\n]*|'(?:[^']|'')*'|;|[^;'-]+|-/g) ?? [];
  const found = [""];
  for (const token of tokens) {
    if (token === ";") found.push("");
    else if (!token.startsWith("--")) found[found.length - 1] += token;
  }
  return found.map((statement) => statement.trim()).filter(Boolean);
}
