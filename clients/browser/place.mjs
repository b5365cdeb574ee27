// Somebody who has joined.

import assert from 'node:assert/strict';

import { check, fresh, me, until } from '../promises/frame.mjs';
import { generate } from '../promises/http.mjs';
import { become } from '../promises/sim.mjs';
import { open, portray, visit } from './browser.mjs';

async function show(page, key) {
  await page.getByLabel(/Your Gemini API key|您的 Gemini API 密钥/).fill(key);
  await page.getByRole('button', { name: /^(Look|查看)$/ }).click();
}

check('somebody joins, sees it, lends less, and withdraws', 2, async (others) => {
  const [key] = await fresh(1);
  await visit({}, async (page) => {
    await open(page, '/me');
    await show(page, key);
    await page.getByText('This key is not at the table.').waitFor();

    assert.equal((await generate(key, 'let me in')).mark, 'stored');
    for (let n = 0; n < 6; n += 1) await generate(others[0], `x ${n}`);
    await show(page, key);
    await page.getByRole('heading', { name: 'Your key serves' }).waitFor();
    const { lent } = await me(key);
    assert.ok(lent.calls > 0);
    assert.equal(await page.locator('#lent-calls').textContent(), String(lent.calls));
    assert.ok(!page.url().includes(key));
    await page.locator('#days canvas').waitFor();
    await portray(page, 'place', [key]);

    await page.getByLabel('Calls lent a day, at most').fill('7');
    await page.getByLabel('Lend only some models').check();
    await page.getByLabel('Models to lend, one a line').fill('gemini-3.5-flash\ngemini-3.5-pro');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    const { limits } = await me(key);
    assert.deepEqual([limits.lend_per_day, limits.lend_models], [7, ['gemini-3.5-flash', 'gemini-3.5-pro']]);
    await page.getByLabel(/^Pause/).check();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { name: 'Your key is paused' }).waitFor();

    await page.getByRole('button', { name: 'Withdraw my key …' }).click();
    await page.getByRole('heading', { name: 'Withdraw your key?' }).waitFor();
    await portray(page, 'place-sure', [key]);
    await page.getByRole('button', { name: 'Stay' }).click();
    assert.equal((await me(key)).state, 'paused');
    await page.getByRole('button', { name: 'Withdraw my key …' }).click();
    await page.getByRole('button', { name: 'Withdraw', exact: true }).click();
    await page.getByText('Your key is withdrawn and erased.').waitFor();
    assert.equal((await me(key)).state, 'withdrawn');

    await show(page, key);
    await page.getByRole('button', { name: 'Join again' }).click();
    await page.getByText('Your key joins again with its next successful call.').waitFor();
  });
  assert.equal((await generate(key, 'again')).mark, 'stored');
});

check('somebody who lends no model at all goes on lending none', 1, async ([key]) => {
  await visit({}, async (page) => {
    await open(page, '/me');
    await show(page, key);
    await page.getByLabel('Lend only some models').check();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Saved.').waitFor();
    assert.deepEqual((await me(key)).limits.lend_models, []);

    await open(page, '/me');
    await show(page, key);
    await page.getByRole('heading', { name: 'Your key serves' }).waitFor();
    await page.getByLabel('Calls lent a day, at most').fill('5');
    await page.getByRole('button', { name: 'Save' }).click();
    await until(() => me(key), ({ limits }) => limits.lend_per_day === 5, 'saved');

    assert.deepEqual((await me(key)).limits.lend_models, []);
  });
});

check('Escape is no, whatever was answered before', 1, async ([key]) => {
  await visit({}, async (page) => {
    await open(page, '/me');
    await show(page, key);
    await page.getByRole('heading', { name: 'Your key serves' }).waitFor();
    await page.locator('#sure').evaluate((dialog) => { dialog.returnValue = 'yes'; });
    await page.getByRole('button', { name: 'Withdraw my key …' }).click();
    await page.keyboard.press('Escape');
    await page.locator('#sure').waitFor({ state: 'hidden' });
    await generate(key, 'x');
    assert.equal((await me(key)).state, 'active');
  });
});

check('what a tab has forgotten does not come back', 1, async ([key]) => {
  await visit({}, async (page) => {
    await open(page, '/me');
    let answer;
    const held = new Promise((go) => { answer = go; });
    await page.route(/\/pool\/me$/, async (route) => {
      await held;
      await route.continue();
    });
    await show(page, key);
    await page.evaluate(() => document.getElementById('forget').click());
    answer();
    await page.getByText('This tab has forgotten the key.').waitFor();
    await page.waitForLoadState('networkidle');
    assert.ok(await page.locator('#place').isHidden());
  });
});

for (const [locale, title, why, change] of [
  ['en-GB', 'Your key serves', 'Today\'s quota is spent.', 'Save'],
  ['zh-CN', '您的密钥正在服务', '今天的额度已用完', '保存'],
]) {
  check(`a key that rests says for which model, why and how long, in ${locale}`, 2,
    async ([key, other]) => {
      await become(key, 'sample:quota_free_per_day');
      for (let n = 0; n < 4; n += 1) await generate(other, `x ${n}`);
      await visit({ locale }, async (page) => {
        await open(page, '/me');
        await show(page, key);
        await page.getByRole('heading', { name: title }).waitFor();
        await page.getByText(why).waitFor();
        assert.equal(await page.locator('#cooldowns time').count(), 1);
        await page.getByRole('button', { name: change }).waitFor();
        await portray(page, `place-rests-${locale}`, [key, other]);
      });
    });
}

check('what somebody edits is not lost when the page refreshes itself', 1, async ([key]) => {
  await visit({}, async (page) => {
    await page.clock.install();
    await open(page, '/me');
    await show(page, key);
    await page.getByLabel('Calls lent a day, at most').fill('9');
    await generate(key, 'x');
    const refreshed = page.waitForResponse(/\/pool\/me$/);
    await page.clock.runFor(11_000);
    await refreshed;
    assert.equal(await page.getByLabel('Calls lent a day, at most').inputValue(), '9');
  });
});
