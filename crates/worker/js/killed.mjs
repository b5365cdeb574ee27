// Contributions while the process of workerd is killed and started again on the same folder: what
// was acknowledged is there, once.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";

import { check, conclude } from "./checks.mjs";
import { settings, world } from "./local.mjs";
import { path, prompt, sim, sleep, upTo } from "./seated.mjs";
import { staged, values } from "./staged.mjs";

const KEYS = 200;
const CLIENTS = 8;
/** The process is killed when so many more are acknowledged. */
const ROUND = 50;
const DATA = join(values.folder, "killed");

const made = () => `AIzaSy${randomBytes(30).toString("base64url").slice(0, 33)}`;

/** A port that is free now, on loopback. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Serves the folder; gives the URL, and a way to kill all that serves at once. */
async function start() {
  const listen = `127.0.0.1:${await freePort()}`;
  const options = { bundle: values.bundle, data: DATA, listen, upstream: sim.url,
    "master-key": join(values.folder, "master-key") };
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const script = join(import.meta.dirname, "serve.mjs");
  // In a group of its own, with workerd in it: nobody is left to end anything in good order.
  const child = spawn(process.execPath, [script, ...words],
    { detached: true, stdio: ["ignore", "pipe", "ignore"] });
  const kill = () => process.kill(-child.pid, "SIGKILL");
  process.on("exit", kill);
  for await (const text of child.stdout.iterator({ destroyOnReturn: false })) {
    if (String(text).includes("listening on")) break;
  }
  return {
    url: `http://${listen}`,
    async kill() {
      kill();
      process.off("exit", kill);
      await once(child, "exit");
    },
  };
}

/** Shows keys until all are acknowledged or the process is gone; those are asked for again. */
async function contribute({ url }, waiting, acknowledged, enough) {
  while (waiting.length && acknowledged.size < enough) {
    const key = waiting.pop();
    const headers = { "x-goog-api-key": key, "content-type": "application/json" };
    try {
      const answer = await fetch(url + path(), { method: "POST", headers, body: prompt("hello") });
      await answer.arrayBuffer();
      const mark = answer.headers.get("x-potluck-key");
      assert.deepEqual([answer.status, ["stored", "known"].includes(mark)], [200, true], mark);
      acknowledged.add(key);
    } catch (error) {
      if (error.code === "ERR_ASSERTION") throw error;
      waiting.push(key);
      return;
    }
  }
}

/** Every one of those keys is in the pool. */
async function present({ url }, keys) {
  for (const key of keys) {
    const answer = await fetch(`${url}/pool/me`, { headers: { "x-goog-api-key": key } });
    const me = await answer.json();
    assert.deepEqual([answer.status, me.state], [200, "active"]);
  }
}

/** How many rows of keys lie in the folder. */
async function rows() {
  const [{ database_id: id }] = (await settings()).d1_databases;
  const changes = { ...(await world(values.bundle, { DB: id })), d1Persist: join(DATA, "v3/d1") };
  let count;
  await staged(changes, async ({ database }) => {
    ({ count } = await database.prepare("SELECT count(*) AS count FROM keys").first());
  });
  return count;
}

await check("two hundred contributions outlive kills in their midst, each once", async () => {
  const keys = upTo(KEYS).map(made);
  await sim.reset();
  await sim.seat(keys.map((key) => ({ key })));
  const [waiting, acknowledged] = [[...keys], new Set()];
  for (let enough = ROUND; enough < KEYS; enough += ROUND) {
    const worker = await start();
    await present(worker, acknowledged);
    const clients = upTo(CLIENTS).map(() => contribute(worker, waiting, acknowledged, KEYS));
    while (acknowledged.size < enough) await sleep(1);
    await worker.kill();
    await Promise.all(clients);
  }
  const worker = await start();
  await Promise.all(upTo(CLIENTS).map(() => contribute(worker, waiting, acknowledged, KEYS)));
  await present(worker, keys);
  const { keyCount } = await (await fetch(`${worker.url}/keycount`)).json();
  await worker.kill();
  assert.deepEqual([acknowledged.size, keyCount, await rows()], [KEYS, KEYS, KEYS]);
});

conclude();
