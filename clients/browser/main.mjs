// The pages, in a browser, walked as the people walk them whom they are for. The binary listens at
// BASE_URL with its data in POTLUCK_DATA, Google's stand-in at SIM_URL. `node main.mjs TEXT` walks
// those whose name holds that text.

import assert from 'node:assert/strict';

import './table.mjs';
import './place.mjs';
import './kitchen.mjs';
import { check, lookThrough, main } from '../promises/frame.mjs';

check('no key, and no part of one, was in any answer or line of the log', 0, async () => {
  assert.ok((await lookThrough()) > 0, 'nothing was heard');
});

await main(process.argv[2]);
