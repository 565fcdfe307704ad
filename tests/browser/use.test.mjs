// The page under mouse, keyboard, themes and windows.
import assert from 'node:assert/strict';
import { ask, colorsAt, middleOf, nodeByPath, withPage, writePage } from './browser.mjs';
import { expectedOf, expectedSearch } from './expected.mjs';
import { largeProfile, serverProfile } from './fixtures.mjs';
import { fixtures } from './make_fixture.mjs';
import { makeDocument, pageOf } from './page.mjs';

const PARSE = 'json::Value::parse(json::Reader&)';
const LOOP = ['worker-1', 'main', 'net::EventLoop::run()'];
const serverPage = () => writePage('server', pageOf(fixtures.server()));

async function emptyColor(page) {
  const { x, y } = await page.locator('#graph canvas').boundingBox();
  return (await colorsAt(page, [{ x: x + 4, y: y + 4 }]))[0];
}

const isDark = (pixel) => pixel.every((channel) => channel < 64);
const isLight = (pixel) => pixel.every((channel) => channel > 200);

export const useCases = [
  {
    name: 'mouse: click zooms, ancestors stay and zoom out, Escape resets',
    async run(browser) {
      await withPage(browser, serverPage(), {}, async (page) => {
        const whole = await ask(page, 'rectOf', 0);
        const loop = await nodeByPath(page, LOOP);
        const before = await ask(page, 'rectOf', loop);
        assert.ok(before.width < whole.width);
        let at = await middleOf(page, loop);
        assert.equal(await ask(page, 'nodeAt', at.x, at.y), loop);
        await page.mouse.click(at.x, at.y);
        assert.equal((await ask(page, 'state')).zoom, loop);
        assert.equal((await ask(page, 'rectOf', loop)).width, whole.width);
        assert.ok(await page.isEnabled('#reset'));
        const { total } = await ask(page, 'node', loop);
        const parse = await nodeByPath(page, [
          ...LOOP,
          'http::Parser::feed(std::string_view)',
          PARSE,
        ]);
        const share = (await ask(page, 'node', parse)).total / total;
        assert.ok(Math.abs((await ask(page, 'rectOf', parse)).width / whole.width - share) < 1e-9);
        const parent = await nodeByPath(page, LOOP.slice(0, 1));
        at = await middleOf(page, parent);
        await page.mouse.click(at.x, at.y);
        assert.equal((await ask(page, 'state')).zoom, parent);
        await page.keyboard.press('Escape');
        assert.equal((await ask(page, 'state')).zoom, 0);
        assert.deepEqual(await ask(page, 'rectOf', loop), before);
        assert.ok(await page.isDisabled('#reset'));
      });
    },
  },
  {
    name: 'mouse: tooltip, frame menu, Alt+click',
    async run(browser) {
      const profile = serverProfile(false);
      const { total } = expectedOf(profile);
      await withPage(browser, serverPage(), {}, async (page) => {
        const cursor = await nodeByPath(page, [...LOOP, 'db::Cursor::next()']);
        const node = await ask(page, 'node', cursor);
        await ask(page, 'zoomTo', await nodeByPath(page, LOOP));
        const at = await middleOf(page, cursor);
        await page.mouse.move(at.x, at.y);
        const tip = await page.innerText('#tooltip');
        const view = (await ask(page, 'node', await nodeByPath(page, LOOP))).total;
        for (const part of [
          'db::Cursor::next()',
          'db/cursor.cc:64',
          '/usr/lib/libdb.so',
          'native',
          `${((node.total / total) * 100).toFixed(2)}%`,
          `${((node.total / view) * 100).toFixed(2)}%`,
        ]) {
          assert.ok(tip.includes(part), `${part} is not in: ${tip}`);
        }
        await page.mouse.click(at.x, at.y, { button: 'right' });
        await page.getByRole('menuitem', { name: 'Search for this name' }).click();
        assert.equal(await page.inputValue('#search'), '^db::Cursor::next\\(\\)$');
        assert.ok(await page.isHidden('#menu'));
        await page.keyboard.down('Alt');
        await page.mouse.click(at.x, at.y);
        await page.keyboard.up('Alt');
        assert.equal((await ask(page, 'state')).view, 'sandwich');
        assert.equal(await page.innerText('#sandwich-name'), 'db::Cursor::next()');
        assert.equal((await ask(page, 'node', 0, 'callees')).total, node.total);
      });
    },
  },
  {
    name: 'icicle turns the graph over',
    async run(browser) {
      await withPage(browser, serverPage(), {}, async (page) => {
        const loop = await nodeByPath(page, LOOP);
        const y = async (node) => (await ask(page, 'rectOf', node)).y;
        assert.ok((await y(0)) > (await y(loop)));
        await page.click('#icicle');
        assert.equal(await page.getAttribute('#icicle', 'aria-pressed'), 'true');
        assert.ok((await y(0)) < (await y(loop)));
        const at = await middleOf(page, loop);
        await page.mouse.click(at.x, at.y);
        assert.equal((await ask(page, 'state')).zoom, loop);
      });
    },
  },
  {
    name: 'table: sorting, filter, a row opens the sandwich',
    async run(browser) {
      await withPage(browser, serverPage(), {}, async (page) => {
        await page.click('#tab-table');
        const column = (index) =>
          page.$$eval(
            '.table-body .table-row:not([hidden])',
            (rows, i) =>
              rows
                .sort((a, b) => a.offsetTop - b.offsetTop)
                .map((row) => row.children[i].innerText),
            index,
          );
        const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
        const all = await ask(page, 'functions');
        const order = (by) =>
          [...all].sort((a, b) => by(a, b) || compare(a.name, b.name)).map((f) => f.name);
        assert.deepEqual(
          await column(0),
          order((a, b) => b.self - a.self),
        );
        await page.getByRole('button', { name: 'Total', exact: true }).click();
        assert.deepEqual(
          await column(0),
          order((a, b) => b.total - a.total),
        );
        assert.equal(await page.getAttribute('[data-key=total]', 'aria-sort'), 'descending');
        await page.getByRole('button', { name: 'Total', exact: true }).click();
        assert.deepEqual(
          await column(0),
          order((a, b) => a.total - b.total),
        );
        await page.getByRole('button', { name: 'Function' }).click();
        assert.deepEqual(await column(0), all.map((f) => f.name).sort(compare));
        await page.fill('#search', 'json');
        await page.keyboard.press('Escape');
        assert.equal((await column(0)).length, all.length);
        await page.fill('#search', 'json::');
        await page.waitForFunction(() => document.querySelector('#match').textContent !== '');
        assert.deepEqual(await column(0), ['json::Reader::peek()', PARSE]);
        await page.getByRole('row').filter({ hasText: PARSE }).click();
        assert.equal((await ask(page, 'state')).view, 'sandwich');
        assert.equal(await page.innerText('#sandwich-name'), PARSE);
      });
    },
  },
  {
    name: 'table: a hundred thousand functions are a few rows at a time',
    async run(browser) {
      const { frames, tree } = largeProfile(300000, 150000);
      const path = writePage('many', pageOf(makeDocument({ deflate: true }, frames, tree)));
      await withPage(browser, path, {}, async (page) => {
        await page.keyboard.press('t');
        const rows = Number(await page.getAttribute('#table', 'aria-rowcount'));
        assert.ok(rows > 90000, `${rows} rows`);
        const last = (await ask(page, 'tableRows', 1e9)).at(-1);
        await page.focus('#table');
        await page.keyboard.press('End');
        await page.waitForFunction((n) => document.querySelector(`[aria-rowindex="${n}"]`), rows);
        assert.equal(await page.innerText(`[aria-rowindex="${rows}"] .name`), last.name);
        assert.ok((await page.locator('.table-body .table-row').count()) < 100);
      });
    },
  },
  {
    name: 'keyboard: move, zoom, search, next match, views, help',
    async run(browser) {
      const want = expectedSearch(serverProfile(false), /malloc/);
      await withPage(browser, serverPage(), {}, async (page) => {
        const press = (...keys) =>
          keys.reduce((done, key) => done.then(() => page.keyboard.press(key)), Promise.resolve());
        const selected = async () => (await ask(page, 'state')).selected;
        await press('ArrowUp', 'ArrowUp', 'ArrowUp');
        const main = await nodeByPath(page, ['worker-1', 'main']);
        assert.equal(await selected(), main);
        assert.match(await page.textContent('#live'), /^main: total /);
        await press('ArrowRight');
        const cart = await nodeByPath(page, ['worker-1', 'com.shop.Cart.total']);
        assert.equal(await selected(), cart);
        await press('ArrowLeft', 'ArrowDown');
        assert.equal(await selected(), await nodeByPath(page, ['worker-1']));
        await press('ArrowUp', 'Enter');
        assert.equal((await ask(page, 'state')).zoom, main);
        await press('Backspace');
        assert.equal((await ask(page, 'state')).zoom, await nodeByPath(page, ['worker-1']));
        await press('0');
        assert.equal((await ask(page, 'state')).zoom, 0);
        await press('/');
        await page.keyboard.type('malloc');
        await press('Enter');
        assert.match(await page.innerText('#match'), new RegExp(`in ${want.nodes} frames$`));
        await press('Shift+Tab', 'Escape');
        await page.focus('#graph canvas');
        const visited = new Set([await selected()]);
        for (let i = 1; i < want.nodes; i++) {
          await press('n');
          visited.add(await selected());
        }
        assert.equal(visited.size, want.nodes);
        for (const node of visited) assert.equal((await ask(page, 'node', node)).name, 'malloc');
        const last = await selected();
        await press('n', 'Shift+N');
        assert.equal(await selected(), last);
        await press('s');
        assert.equal((await ask(page, 'state')).view, 'sandwich');
        await press('t');
        assert.equal((await ask(page, 'state')).view, 'table');
        await press('g', 'i');
        assert.deepEqual(
          [(await ask(page, 'state')).view, (await ask(page, 'state')).icicle],
          ['graph', true],
        );
        await press('v');
        assert.equal((await ask(page, 'state')).inverted, true);
        await press('?');
        assert.ok(await page.isVisible('#help-dialog'));
        await press('Escape');
        assert.ok(await page.isHidden('#help-dialog'));
      });
    },
  },
  {
    name: 'light and dark by the system, and by hand',
    async run(browser) {
      await withPage(browser, serverPage(), { colorScheme: 'dark' }, async (page) => {
        assert.ok(isDark(await emptyColor(page)));
        await page.emulateMedia({ colorScheme: 'light' });
        await page.waitForFunction(() => window.profcore.state().theme === 'light');
        assert.ok(isLight(await emptyColor(page)));
        const body = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        assert.equal(body, 'rgb(255, 255, 255)');
        await page.click('#theme');
        assert.ok(isDark(await emptyColor(page)));
        await page.emulateMedia({ colorScheme: 'dark' });
        await page.emulateMedia({ colorScheme: 'light' });
        assert.equal((await ask(page, 'state')).theme, 'dark');
      });
    },
  },
  {
    name: 'window size and pixel ratio',
    async run(browser) {
      await withPage(browser, serverPage(), { deviceScaleFactor: 2 }, async (page) => {
        const size = () =>
          page.evaluate(() => {
            const canvas = document.querySelector('#graph canvas');
            return [canvas.width, canvas.clientWidth, canvas.parentElement.clientWidth];
          });
        for (const width of [1280, 700, 1600]) {
          await page.setViewportSize({ width, height: 600 });
          await page.waitForFunction(
            (w) => Math.abs(document.querySelector('#graph canvas').clientWidth - w) < 40,
            width,
          );
          const [pixels, css, room] = await size();
          assert.equal(css, room);
          assert.equal(pixels, css * 2);
          assert.equal((await ask(page, 'rectOf', 0)).width, css);
          const loop = await nodeByPath(page, LOOP);
          const at = await middleOf(page, loop);
          assert.equal(await ask(page, 'nodeAt', at.x, at.y), loop);
        }
      });
    },
  },
  {
    name: 'narrow frames are counted: drawn and hidden are all of them',
    async run(browser) {
      const path = writePage('wide', pageOf(fixtures.wide()));
      await withPage(browser, path, {}, async (page) => {
        const stats = await ask(page, 'stats');
        assert.equal(stats.boxes + stats.tooNarrow, stats.nodes);
        assert.equal(stats.boxes, 200);
        assert.equal(
          await page.innerText('#narrow'),
          `${stats.tooNarrow.toLocaleString('en-US')} frames too narrow at this zoom`,
        );
      });
      const { frames, tree } = largeProfile(200000, 5000);
      await withPage(
        browser,
        writePage('count', pageOf(makeDocument({}, frames, tree))),
        {},
        async (page) => {
          const { nodes } = await ask(page, 'stats');
          for (const node of [0, 1, 2, 5, 40, 333]) {
            await ask(page, 'zoomTo', node);
            const stats = await ask(page, 'stats');
            const shown = await page.evaluate(
              ([at, count]) => {
                const { width } = window.profcore.rectOf(at);
                let wide = 0;
                let inside = 0;
                const { total, depth } = window.profcore.node(at);
                for (let i = at + 1; i < count; i++) {
                  const info = window.profcore.node(i);
                  if (info.depth <= depth) break;
                  inside++;
                  if (info.total * (width / total) >= 0.5) wide++;
                }
                return { boxes: depth + 1 + wide, hidden: inside - wide };
              },
              [node, nodes],
            );
            assert.deepEqual({ boxes: stats.boxes, hidden: stats.tooNarrow }, shown);
          }
        },
      );
    },
  },
];
