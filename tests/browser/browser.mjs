// The browser and the pages in it. Every page is watched: a request to anywhere, a console error or
// an uncaught exception fails the case that opened it.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const work = process.env.BROWSER_DIR;
const { chromium } = createRequire(join(work, 'package.json'))('playwright-core');

export async function startBrowser() {
  const server = await chromium.launchServer({
    executablePath: process.env.CHROMIUM,
    headless: true,
    chromiumSandbox: false,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const { pid } = server.process();
  const killNow = () => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  process.once('exit', killNow);
  const browser = await chromium.connect(server.wsEndpoint());
  return {
    browser,
    version: browser.version(),
    async close() {
      await browser.close();
      await server.close();
      killNow();
    },
  };
}

export function writePage(name, html) {
  const folder = join(work, 'pages');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.html`);
  writeFileSync(path, html);
  return path;
}

export async function withPage(browser, path, options, use) {
  const { faultExpected = false, before = null, ...contextOptions } = options;
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    ...contextOptions,
  });
  try {
    const page = await context.newPage();
    const url = pathToFileURL(path).href;
    const faults = [];
    page.on('request', (request) => {
      if (request.url() !== url && !request.url().startsWith('data:'))
        faults.push(`request: ${request.url()}`);
    });
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => faults.push(`exception: ${error.stack}`));
    if (before) await page.addInitScript(before);
    await page.goto(url);
    const ready = await page.evaluate(() => window.profcore.ready);
    if (!faultExpected) assert.deepEqual(ready, { ok: true });
    await use(page, ready);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
}

export function ask(page, what, ...args) {
  return page.evaluate(([name, list]) => window.profcore[name](...list), [what, args]);
}

// The middle of a node on the screen, as it is drawn now.
export async function middleOf(page, node, pane) {
  const rect = await ask(page, 'rectOf', node, pane);
  assert.ok(rect, `node ${node} is not drawn`);
  return { x: rect.x + rect.width / 2, y: rect.y + rect.height / 2 };
}

// The node reached from the root by names; each step takes the first child of that name.
export async function nodeByPath(page, names, pane = 'graph') {
  return page.evaluate(
    ([path, where]) => {
      let at = 0;
      for (const name of path) {
        const { children } = window.profcore.node(at, where);
        at = children.find((c) => window.profcore.node(c, where).name === name);
        if (at === undefined) return -1;
      }
      return at;
    },
    [names, pane],
  );
}

// Colours that a graph shows at points of the screen. The copy keeps the page's own canvas from
// being read back.
export async function colorsAt(page, points) {
  return page.evaluate((list) => {
    const canvas = document.querySelector('#graph canvas');
    const box = canvas.getBoundingClientRect();
    const ratio = canvas.width / box.width;
    const copy = document.createElement('canvas');
    copy.width = canvas.width;
    copy.height = canvas.height;
    const paint = copy.getContext('2d', { willReadFrequently: true });
    paint.drawImage(canvas, 0, 0);
    return list.map(({ x, y }) =>
      [
        ...paint.getImageData(
          Math.floor((x - box.left) * ratio),
          Math.floor((y - box.top) * ratio),
          1,
          1,
        ).data,
      ].slice(0, 3),
    );
  }, points);
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
