// A browser as a person has it, and what holds for every page at every moment: no request leaves
// the host, nothing of the policy is broken, nothing goes wrong in a script, axe finds nothing, and
// no key stands in the page.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

const packages = createRequire(path.join(process.env.PACKAGES, 'browser.cjs'));
const { chromium } = packages('playwright-core');
const AXE = packages.resolve('axe-core/axe.min.js');

const { BASE_URL, SCREENS } = process.env;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const PHONE = { width: 390, height: 844 };
const DESK = { width: 1280, height: 900 };
const LOOKS = [
  ['light', 'desk', DESK], ['dark', 'desk', DESK], ['light', 'phone', PHONE], ['dark', 'phone', PHONE],
];
/** How a browser's own errors are told that only repeat an HTTP status. */
const ECHO = /Failed to load resource: the server responded with a status of (?:401|404|429)/;

// As root Chromium has no sandbox of its own; it sees nothing here but our own pages.
const args = process.getuid() === 0 ? ['--no-sandbox'] : [];
const browser = await chromium.launch({ executablePath: CHROMIUM, args });
await mkdir(SCREENS, { recursive: true });

/** Opens a tab, lets `act` use it, and then asks whether all held that must hold. */
export async function visit({ locale = 'en-GB' } = {}, act) {
  const context = await browser.newContext({ locale, viewport: DESK, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const wrongs = [];
  const host = new URL(BASE_URL).host;
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.host !== host && url.protocol !== 'data:') wrongs.push(`asked ${url.host}`);
  });
  page.on('pageerror', (error) => wrongs.push(`script: ${error.message}`));
  page.on('console', (message) => {
    const text = message.text();
    if (message.type() === 'error' && !ECHO.test(text)) wrongs.push(`console: ${text}`);
  });
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      console.error(`policy: ${violatedDirective} ${blockedURI}`));
  });
  try {
    await act(page);
    assert.deepEqual(wrongs, []);
  } finally {
    await context.close();
  }
}

export const open = (page, target) => page.goto(`${BASE_URL}${target}`, { waitUntil: 'networkidle' });

/** Keeps what the page looks like in both themes, wide and narrow; axe reads each, and nothing is
 * wider than the window. */
export async function portray(page, name, keys = []) {
  for (const [theme, size, viewport] of LOOKS) {
    await page.emulateMedia({ colorScheme: theme });
    await page.setViewportSize(viewport);
    // A chart is drawn anew in the other size.
    await page.waitForTimeout(50);
    const file = path.join(SCREENS, `${name}-${theme}-${size}.png`);
    await page.screenshot({ path: file, fullPage: true });
    const over = await page.evaluate(() =>
      document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(over <= 0, `${name} ${theme} ${size}: ${over} pixels wider than the window`);
    await accuse(page, `${name} ${theme} ${size}`);
  }
  const markup = await page.content();
  for (const key of keys) assert.ok(!markup.includes(key.slice(6, 16)), 'a key stands in the page');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(DESK);
}

async function accuse(page, where) {
  // Behind the policy's back, which rightly lets no stranger's script in.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(await source());
  const { violations } = await page.evaluate(() => window.axe.run());
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  assert.deepEqual(told, [], where);
}

let axe;
async function source() {
  const { readFile } = await import('node:fs/promises');
  axe ??= await readFile(AXE, 'utf8');
  return axe;
}
