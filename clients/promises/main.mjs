// What Potluck promises, asked of whatever edition listens at BASE_URL, with Google's stand-in
// behind it at SIM_URL. Nobody else may call it meanwhile. `node main.mjs TEXT` runs the checks
// whose name holds that text.

import assert from 'node:assert/strict';

import './storm.mjs';
import './joining.mjs';
import './verdicts.mjs';
import './own.mjs';
import './sharing.mjs';
import './streams.mjs';
import './uploads.mjs';
import './contributors.mjs';
import './pages.mjs';
import './live.mjs';
import './everyone.mjs';
import { check, lookThrough, main } from './frame.mjs';

check('no key, and no part of one, was in any answer or line of the log', 0, async () => {
  assert.ok((await lookThrough()) > 0, 'nothing was heard');
});

await main(process.argv[2]);
