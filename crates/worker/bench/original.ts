// The approach of the Worker whose job this project does (poenl/gemini-api), written anew in as few
// lines as it takes, to measure beside ours: D1 is the truth, so each call reads it once (is the
// caller's key stored?) and writes it once (which key was used longest ago?), then goes on with
// that key, its streams untouched. Retries, logs and buffered bodies are left out: they cost more.

interface Env {
  DB: D1Database;
  UPSTREAM: string;
}

const FIND = "SELECT 1 FROM api_keys WHERE key = ?1";
const INSERT = "INSERT INTO api_keys (key, last_used) VALUES (?1, ?2)";
const LEND = `UPDATE api_keys SET last_used = ?1
  WHERE id = (SELECT id FROM api_keys ORDER BY last_used LIMIT 1) RETURNING key`;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const shown = credential(request.headers, url);
    if (shown === null) return forward(request, env, url, null);
    const known = await env.DB.prepare(FIND).bind(shown).first();
    if (known === null) return contribute(request, env, url, shown);
    const lent = await env.DB.prepare(LEND).bind(Date.now()).first<string>("key");
    return forward(request, env, url, lent);
  },
};

/** The caller's key, wherever it is shown. */
function credential(headers: Headers, url: URL): string | null {
  return headers.get("x-goog-api-key") ?? url.searchParams.get("key") ?? bearer(headers);
}

function bearer(headers: Headers): string | null {
  const shown = headers.get("authorization");
  return shown?.startsWith("Bearer ") ? shown.slice(7) : null;
}

/** A new key serves its own first call, and is stored once that has succeeded. */
async function contribute(request: Request, env: Env, url: URL, key: string): Promise<Response> {
  const answer = await forward(request, env, url, key);
  if (answer.ok) await env.DB.prepare(INSERT).bind(key, Date.now()).run();
  return answer;
}

/** The same request to the upstream, with that key in the one right place. */
function forward(request: Request, env: Env, url: URL, key: string | null): Promise<Response> {
  if (url.search.includes("key=")) url.searchParams.delete("key");
  const forwarded = new Request(env.UPSTREAM + url.pathname + url.search, request);
  forwarded.headers.delete("authorization");
  if (key !== null) forwarded.headers.set("x-goog-api-key", key);
  return fetch(forwarded);
}
