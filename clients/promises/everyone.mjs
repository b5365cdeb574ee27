// Everyone refused at once is a sign of something else. The pool remembers it for a while, so this
// comes last.

import assert from 'node:assert/strict';

import { check, serves, told } from './frame.mjs';
import { generate, get } from './http.mjs';
import { become } from './sim.mjs';

check('when everyone is refused at once, no key is put out', 8, async (keys) => {
  for (const key of keys) await become(key, 'suspended');
  for (const key of keys) {
    const answer = await generate(key);
    assert.ok([403, 503].includes(answer.status), told(answer));
  }
  assert.equal((await get('/keycount')).json.keyCount, 8);
  for (const key of keys) await become(key, 'good');
  for (let n = 0; n < 8; n += 1) assert.equal((await generate(keys[0])).status, 200);
  for (const key of keys) await serves(key);
});
