// What the page computes, against numbers worked out from the stacks.
import assert from 'node:assert/strict';
import { ask, colorsAt, nodeByPath, withPage, writePage } from './browser.mjs';
import { expectedOf, expectedSandwich, expectedSearch, functionKey } from './expected.mjs';
import { hostileProfile, HOSTILE_NAMES, serverProfile, treeOfStacks } from './fixtures.mjs';
import { fixtures } from './make_fixture.mjs';
import { makeDocument, pageOf } from './page.mjs';

const PARSE = 'json::Value::parse(json::Reader&)';
const pathOf = (name) => writePage(name, pageOf(fixtures[name]()));

function checkFunctions(found, expected, diff) {
  assert.equal(found.length, expected.functions.size);
  for (const info of found) {
    const want = expected.functions.get(functionKey(info));
    assert.ok(want, `unexpected function ${info.name}`);
    const got = { self: info.self, total: info.total };
    const numbers = { self: want.self, total: want.total };
    if (diff) {
      Object.assign(got, { baselineSelf: info.baselineSelf, baselineTotal: info.baselineTotal });
      Object.assign(numbers, {
        baselineSelf: want.baselineSelf,
        baselineTotal: want.baselineTotal,
      });
    }
    assert.deepEqual(got, numbers, info.name);
  }
}

export const numberCases = [
  {
    name: 'totals, nodes and functions, in both encodings',
    async run(browser) {
      const profile = serverProfile(false);
      const expected = expectedOf(profile);
      for (const deflate of [false, true]) {
        const document = makeDocument({ deflate }, profile.frames, profile.tree);
        const path = writePage(`encoding-${deflate}`, pageOf(document));
        // Browsers without Uint8Array.fromBase64 take another way.
        const before = deflate ? 'delete Uint8Array.fromBase64' : null;
        await withPage(browser, path, { before }, async (page) => {
          const stats = await ask(page, 'stats');
          assert.equal(stats.total, expected.total);
          assert.equal(stats.sum, expected.total);
          assert.equal(stats.nodes, expected.nodes);
          assert.equal(stats.functions, expected.functions.size + 1);
          assert.deepEqual(stats.warnings, []);
          checkFunctions(await ask(page, 'functions'), expected, false);
        });
      }
    },
  },
  {
    name: 'large, negative and differing totals',
    async run(browser) {
      const frames = [{ name: 'all' }, { name: 'a', kind: 1 }, { name: 'b', kind: 1 }];
      const values = [2 ** 40 + 1, -(2 ** 40) - 5, 63, 64, -64, -65, 2 ** 52 + 1];
      for (const value of values) {
        const tree = { depth: [0, 1, 2], frame: [0, 1, 2], self: [0, value, 7] };
        await withPage(
          browser,
          writePage('values', pageOf(makeDocument({}, frames, tree))),
          {},
          async (page) => {
            assert.equal((await ask(page, 'node', 1)).self, value);
            assert.equal((await ask(page, 'node', 0)).total, value + 7);
          },
        );
      }
      const tree = { depth: [0, 1], frame: [0, 1], self: [0, (1n << 63n) - 1n] };
      const wrong = makeDocument({ override: { total: 12 } }, frames, tree);
      await withPage(browser, writePage('warned', pageOf(wrong)), {}, async (page) => {
        const { warnings, total } = await ask(page, 'stats');
        assert.equal(total, 2 ** 63);
        assert.equal(warnings.length, 2);
        await page.click('#info');
        const text = await page.textContent('#info-dialog');
        for (const warning of warnings) assert.ok(text.includes(warning));
      });
    },
  },
  {
    name: 'search: matched share counts nested matches once',
    async run(browser) {
      const profile = serverProfile(false);
      const { total } = expectedOf(profile);
      await withPage(browser, pathOf('server'), {}, async (page) => {
        for (const text of [
          'json',
          'parse',
          '^memcpy$',
          'com\\.shop\\.',
          'malloc|memcpy',
          'all',
          'JSON',
        ]) {
          const pattern = new RegExp(text, text === 'JSON' ? '' : 'i');
          const want = expectedSearch(profile, pattern);
          const got = await ask(page, 'search', text);
          if (text === 'all') {
            assert.equal(got.share, 1);
            continue;
          }
          assert.equal(got.value, want.value, text);
          assert.equal(got.nodes, want.nodes, text);
          assert.equal(got.share, want.value / total, text);
          assert.equal(await page.evaluate(() => window.profcore.matchedShare), want.value / total);
        }
        const bad = await ask(page, 'search', '(unclosed');
        assert.notEqual(bad.error, '');
        assert.equal(await page.getAttribute('#search', 'aria-invalid'), 'true');
      });
    },
  },
  {
    name: 'sandwich: callers and callees of the outermost calls',
    async run(browser) {
      const profile = serverProfile(false);
      await withPage(browser, pathOf('server'), {}, async (page) => {
        for (const info of await ask(page, 'functions')) {
          const want = expectedSandwich(profile, info.name, info.module);
          const got = await ask(page, 'sandwich', info.name, info.module);
          for (const [pane, children] of [
            ['callers', want.callers],
            ['callees', want.callees],
          ]) {
            const root = got[pane];
            assert.equal(root.name, info.name);
            assert.equal(root.total, want.total, `${pane} of ${info.name}`);
            const found = new Map();
            for (const child of root.children) {
              const node = await ask(page, 'node', child, pane);
              found.set(node.name, (found.get(node.name) || 0) + node.total);
            }
            assert.deepEqual(found, children, `${pane} of ${info.name}`);
          }
        }
      });
    },
  },
  {
    name: 'invert: the first level is the self time of the frames',
    async run(browser) {
      const profile = serverProfile(false);
      const expected = expectedOf(profile);
      await withPage(browser, pathOf('server'), {}, async (page) => {
        await page.click('#invert');
        const root = await ask(page, 'node', 0);
        assert.equal(root.total, expected.total);
        const leaves = [...expected.functions.values()].filter((f) => f.self > 0);
        assert.equal(root.children.length, leaves.length);
        for (const child of root.children) {
          const node = await ask(page, 'node', child);
          assert.equal(node.total, expected.functions.get(functionKey(node)).self, node.name);
        }
        const node = await nodeByPath(page, [
          'json::Reader::peek()',
          PARSE,
          'http::Parser::feed(std::string_view)',
        ]);
        assert.ok(node > 0);
        const want = profile.stacks
          .filter(({ path }) => path.slice(-3).join() === '3,4,5')
          .reduce((sum, stack) => sum + stack.value, 0);
        assert.equal((await ask(page, 'node', node)).total, want);
        await page.click('#invert');
        assert.equal((await ask(page, 'state')).treeNodes, expected.nodes);
      });
    },
  },
  {
    name: 'a tree that was written inverted: self values and sandwich sides',
    async run(browser) {
      const profile = serverProfile(false);
      const expected = expectedOf(profile);
      const stacks = profile.stacks.map(({ path, value }) => ({
        path: [...path].reverse(),
        value,
      }));
      const document = makeDocument(
        { document: { inverted: true } },
        profile.frames,
        treeOfStacks(stacks, false),
      );
      await withPage(browser, writePage('inverted', pageOf(document)), {}, async (page) => {
        checkFunctions(await ask(page, 'functions'), expected, false);
        const got = await ask(page, 'sandwich', 'http::Parser::feed(std::string_view)');
        const names = async (pane) =>
          Promise.all(
            got[pane].children.map(async (child) => (await ask(page, 'node', child, pane)).name),
          );
        assert.deepEqual(await names('callers'), ['net::EventLoop::run()']);
        assert.deepEqual((await names('callees')).sort(), [PARSE, 'memcpy']);
      });
    },
  },
  {
    name: 'diff: both sides, widths and colours',
    async run(browser) {
      const profile = serverProfile(true);
      const expected = expectedOf(profile);
      await withPage(browser, pathOf('diff'), {}, async (page) => {
        const stats = await ask(page, 'stats');
        assert.equal(stats.total, expected.total);
        assert.equal(stats.baselineTotal, expected.baselineTotal);
        checkFunctions(await ask(page, 'functions'), expected, true);
        const chips = await page.$$eval('#legend span', (entries) =>
          Object.fromEntries(
            entries.map((entry) => [
              entry.textContent,
              getComputedStyle(entry.firstChild).backgroundColor,
            ]),
          ),
        );
        const seen = new Set();
        for (let i = 0; i < stats.nodes; i++) {
          const node = await ask(page, 'node', i);
          const { baselineTotal: old, total: now } = node;
          const rect = await ask(page, 'rectOf', i);
          if (!rect || rect.width < 4) continue;
          const [color] = await colorsAt(page, [{ x: rect.x + 1, y: rect.y + 1 }]);
          const css = `rgb(${color.join(', ')})`;
          const [red, , blue] = color;
          const change =
            old === 0
              ? 'only new'
              : now === 0
                ? 'only old'
                : now > old
                  ? 'more'
                  : now < old
                    ? 'less'
                    : 'same';
          seen.add(change);
          if (change === 'more') assert.ok(red > blue, node.name);
          else if (change === 'less') assert.ok(blue > red, node.name);
          else assert.equal(css, chips[change], `${node.name}: ${change}`);
        }
        for (const change of ['only new', 'only old', 'more', 'less'])
          assert.ok(seen.has(change), change);
        await page.selectOption('#widths', 'a');
        assert.equal((await ask(page, 'state')).widths, 'a');
        const worker = await nodeByPath(page, ['worker-1']);
        const { baselineTotal } = await ask(page, 'node', worker);
        const [part, whole] = [await ask(page, 'rectOf', worker), await ask(page, 'rectOf', 0)];
        assert.ok(
          Math.abs(part.width / whole.width - baselineTotal / expected.baselineTotal) < 1e-9,
        );
      });
    },
  },
  {
    name: 'hostile names stay text',
    async run(browser) {
      const profile = hostileProfile();
      const expected = expectedOf(profile);
      await withPage(browser, pathOf('hostile'), {}, async (page) => {
        const names = JSON.parse(
          await page.evaluate(() => JSON.stringify(window.profcore.functions().map((f) => f.name))),
        );
        assert.deepEqual(new Set(names), new Set(HOSTILE_NAMES));
        assert.equal((await ask(page, 'stats')).total, expected.total);
        assert.equal(await page.title(), HOSTILE_NAMES[0]);
        for (let i = 1; i < expected.nodes; i++) {
          const rect = await ask(page, 'rectOf', i);
          if (!rect) continue;
          await page.mouse.move(rect.x + rect.width / 2, rect.y + rect.height / 2);
          const tip = await page.textContent('#tooltip');
          assert.ok(tip.length < 4000);
          assert.ok(!/[\u202a-\u202e\u0000-\u0008]/.test(tip));
        }
        await page.keyboard.press('t');
        await page.click('#info');
        const state = await page.evaluate(() => ({
          hacked: window.hacked,
          images: document.images.length,
          scripts: document.scripts.length,
          text: document.body.innerText,
        }));
        assert.equal(state.hacked, undefined);
        assert.equal(state.images, 0);
        assert.equal(state.scripts, 2);
        assert.ok(state.text.includes('<!-- <script>window.hacked=1</script>'));
        assert.ok(!/[\u202a-\u202e]/.test(state.text));
      });
    },
  },
];
