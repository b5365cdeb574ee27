// The store's contract against D1, inside workerd: each case has a database of its own, empty and
// migrated. The bundle must have been built with the feature `contract`.

import assert from "node:assert/strict";
import { parseArgs } from "node:util";

import { check, conclude } from "./checks.mjs";
import { Miniflare, migrate, world } from "./local.mjs";

const { values } = parseArgs({ options: { bundle: { type: "string" } } });

const worker = new Miniflare(await world(values.bundle, {}));
const cases = await (await worker.dispatchFetch("http://worker/contract")).json();
const databases = Object.fromEntries(cases.map((name) => [name, name]));
await worker.setOptions(await world(values.bundle, databases));

for (const name of cases) {
  await check(`contract: ${name}`, async () => {
    await migrate(await worker.getD1Database(name));
    const answer = await worker.dispatchFetch(`http://worker/contract/${name}`);
    assert.equal(await answer.text(), "ok\n");
  });
}

await worker.dispose();
conclude();
