// Trouble at Google's is tried again within a budget: a fifth of the calls of the last seconds.
// Other checks' calls would widen it, so this comes first.

import assert from 'node:assert/strict';

import { check, told } from './frame.mjs';
import { generate } from './http.mjs';
import { arrivals, calm, rule } from './sim.mjs';

const CALLS = 200;

check('a storm at Google\'s is not made worse', 10, async (keys) => {
  await rule({ sample: 'high_demand' });
  for (let n = 0; n < CALLS; n += 1) {
    const answer = await generate(keys[n % 4]);
    assert.equal(answer.status, 503, told(answer));
  }
  const { length } = await arrivals();
  // A fifth; and ten at the least for each while that the calls took.
  assert.ok(length >= CALLS && length <= CALLS * 1.5, `${length} attempts for ${CALLS} calls`);
  await calm();
  assert.equal((await generate(keys[0])).status, 200, 'it is over at once');
});
