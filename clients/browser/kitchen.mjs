// Somebody who runs it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { check, fresh, me, told, until } from '../promises/frame.mjs';
import { generate } from '../promises/http.mjs';
import { become } from '../promises/sim.mjs';
import { open, portray, visit } from './browser.mjs';

const token = async () =>
  (await readFile(path.join(process.env.POTLUCK_DATA, 'admin-token'), 'utf8')).trim();

async function enter(page, part = '') {
  await open(page, `/admin${part}`);
  await page.getByLabel(/Admin token|管理令牌/).fill(await token());
  await page.getByRole('button', { name: /^(Sign in|登录)$/ }).click();
  await page.locator('#kitchen').waitFor();
}

const part = (page, name) => page.getByRole('link', { name, exact: true }).click();

check('an operator signs in, and out; a wrong token is told', 1, async () => {
  await visit({}, async (page) => {
    await open(page, '/admin');
    await page.getByLabel('Admin token').fill('guess');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('That is not the admin token.').waitFor();
    await portray(page, 'kitchen-door');
    await enter(page);
    const cookies = await page.context().cookies();
    const kept = cookies.find(({ name }) => name === '__Host-potluck');
    assert.deepEqual([kept.httpOnly, kept.secure, kept.sameSite], [true, true, 'Strict']);
    assert.equal(await page.evaluate(() => document.cookie), '');
    await page.reload();
    await page.locator('#kitchen').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Admin token').waitFor();
    await page.reload();
    await page.getByLabel('Admin token').waitFor();
  });
});

check('an operator sees how the pool is, and its numbers are the API\'s', 3, async ([key]) => {
  for (let n = 0; n < 5; n += 1) await generate(key, `x ${n}`);
  for (const locale of ['en-GB', 'zh-CN']) {
    await visit({ locale }, async (page) => {
      await enter(page);
      await until(() => page.locator('#serving').textContent(), (text) => text === '3', 'serving');
      await page.locator('#days canvas').waitFor();
      const headers = { authorization: `Bearer ${await token()}` };
      const answer = await fetch(`${process.env.BASE_URL}/pool/admin/v1/status`, { headers });
      const { exchanges } = await answer.json();
      const begun = (await page.locator('#begun').textContent()).replaceAll(/\D/g, '');
      assert.equal(Number(begun), exchanges.begun);
      await portray(page, `kitchen-pool-${locale}`);
      await page.locator('#days summary').click();
      const saved = page.waitForEvent('download');
      await page.locator('#csv').click();
      const table = await readFile(await (await saved).path(), 'utf8');
      assert.match(table, /^day,/);
    });
  }
});

check('an operator imports a thousand keys, watches one die, and takes it back', 3, async (keys) => {
  const [caller, , dying] = keys;
  const { id } = await me(dying);
  const many = await fresh(1000);
  await visit({}, async (page) => {
    await enter(page, '#sights');
    await become(dying, 'invalid');
    await page.getByText('Nothing yet.').waitFor();
    for (let n = 0; n < 6; n += 1) await generate(caller, `x ${n}`);
    await page.getByRole('cell', { name: id }).first().waitFor();
    await page.getByRole('cell', { name: 'key dead' }).waitFor();
    await portray(page, 'kitchen-sights', keys);

    await part(page, 'Keys');
    await page.getByLabel('State').selectOption('disabled');
    const dead = page.getByRole('row', { name: id });
    await dead.getByText('Google says that the key is invalid').waitFor();
    await portray(page, 'kitchen-keys', keys);
    await become(dying, 'good');
    await dead.getByRole('checkbox').check();
    await page.getByRole('button', { name: 'Take back' }).click();
    await page.getByText('1 changed.').waitFor();
    assert.equal((await me(dying)).state, 'active');

    await part(page, 'Add keys');
    const lines = [...many, 'no key at all', many[0], '<script>alert(1)</script>'];
    await page.getByLabel('Keys, one a line').fill(lines.join('\n'));
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText('1,000 added, 1 known before, 0 withdrawn, 0 without room, 2 bad').waitFor();
    await page.getByText('2 lines were not taken').click();
    await page.getByText('line 1001: Not a Gemini API key by its form.').waitFor();
    await portray(page, 'kitchen-add', many.slice(0, 5));
    const file = { name: 'keys.txt', mimeType: 'text/plain', buffer: Buffer.from(`${many[0]}\nno key\n`) };
    await page.getByLabel('Or a file of such lines').setInputFiles(file);
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText('keys.txt: line 2: Not a Gemini API key by its form.').waitFor({ state: 'attached' });

    await part(page, 'Keys');
    await page.getByLabel('State').selectOption('');
    await page.getByText('100 shown, there are more').waitFor();
    await page.getByRole('button', { name: 'Show more' }).click();
    await page.getByText('200 shown, there are more').waitFor();
    await page.getByLabel('Id or reason').fill(id);
    await page.getByRole('button', { name: 'Find' }).click();
    await page.getByText('1 shown').waitFor();
    await page.getByLabel('Select all that are shown').check();
    await page.getByRole('button', { name: 'Take out of service' }).click();
    await page.getByRole('heading', { name: 'Take 1 keys out of service?' }).waitFor();
    await page.getByRole('button', { name: 'Yes' }).click();
    await page.getByText('The operator has taken the key out of service.').waitFor();
    assert.equal((await me(dying)).state, 'disabled');
  });
});

check('an operator reads the settings in force, in both languages', 1, async () => {
  for (const locale of ['en-GB', 'zh-CN']) {
    await visit({ locale }, async (page) => {
      await enter(page, '#settings');
      await page.getByRole('cell', { name: 'upstream', exact: true }).waitFor();
      // As a flag natively, as a variable at the edge.
      await page.getByRole('cell', { name: /^(--upstream|POTLUCK_UPSTREAM)$/ }).waitFor();
      await portray(page, `kitchen-settings-${locale}`);
    });
  }
});

check('an operator makes a token, sees it once, and revokes it; a name is text', 2, async () => {
  const name = '<img src=x onerror=alert(1)> 小王';
  for (const locale of ['en-GB', 'zh-CN']) {
    await visit({ locale }, async (page) => {
      await enter(page, '#tokens');
      await page.locator('#token-name').fill(name);
      await page.locator('#requests-per-day').fill('2');
      await page.locator('#make-token button').click();
      await page.locator('#once[open]').waitFor();
      const secret = await page.locator('#once-secret').textContent();
      await portray(page, `kitchen-once-${locale}`);
      await page.locator('#once button.main').click();
      const gone = (text) => text === '';
      await until(() => page.locator('#once-secret').textContent(), gone, 'forgotten');
      const listed = page.locator('#tokens-listed tr').filter({ hasText: name });
      await listed.waitFor();
      for (let n = 0; n < 2; n += 1) {
        const answer = await generate(secret, 'x');
        assert.equal(answer.status, 200, told(answer));
      }
      assert.equal((await generate(secret, 'x')).status, 429);
      await until(() => listed.locator('.number').first().textContent(), (text) => text === '2', 'use');
      await portray(page, `kitchen-tokens-${locale}`);
      await listed.getByRole('button').click();
      await page.locator('#sure button[value="yes"]').click();
      await listed.waitFor({ state: 'detached' });
      assert.notEqual((await generate(secret, 'x')).status, 200);
    });
  }
});
