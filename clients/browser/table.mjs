// Somebody who wonders whether to join.

import assert from 'node:assert/strict';

import { check } from '../promises/frame.mjs';
import { generate } from '../promises/http.mjs';
import { open, portray, visit } from './browser.mjs';

for (const [locale, heading, other, otherHeading] of [
  ['en-GB', 'The table is set', '中文', '桌子已经摆好'],
  ['zh-CN', '桌子已经摆好', 'English', 'The table is set'],
]) {
  check(`the table says whether it is set, and how to join, to a browser in ${locale}`, 2,
    async (keys) => {
      await generate(keys[0], 'x');
      await visit({ locale }, async (page) => {
        await open(page, '/');
        await page.getByRole('heading', { level: 1, name: heading }).waitFor();
        assert.equal(await page.locator('#serving').textContent(), '2');
        assert.match(await page.locator('pre').first().textContent(), new RegExp(process.env.BASE_URL));
        await portray(page, `table-${locale}`, keys);
        await page.getByRole('link', { name: other }).click();
        await page.getByRole('heading', { level: 1, name: otherHeading }).waitFor();
      });
    });
}

check('the table says it when no key can serve', 0, async () => {
  await visit({}, async (page) => {
    await open(page, '/');
    await page.getByText('No key can serve just now').waitFor();
    await portray(page, 'table-empty');
  });
});

check('the table can be walked by keyboard alone', 1, async () => {
  await visit({}, async (page) => {
    await open(page, '/');
    const seen = new Set();
    for (let n = 0; n < 40; n += 1) {
      await page.keyboard.press('Tab');
      seen.add(await page.evaluate(() => document.activeElement.textContent.trim().slice(0, 20)));
    }
    for (const name of ['Your place', '中文', 'curl', 'gemini-cli']) assert.ok(seen.has(name), name);
  });
});
