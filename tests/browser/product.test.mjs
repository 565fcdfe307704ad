// A page written by the product: it opens cleanly, its numbers agree with each other and with
// EXPECTED.json.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ask, withPage } from './browser.mjs';

function near(got, want, what) {
  assert.ok(
    Math.abs(got - want) <= 1e-9 * Math.max(1, Math.abs(want)),
    `${what}: ${got}, expected ${want}`,
  );
}

// Whole numbers that a double holds must be equal.
function same(got, want, what) {
  if (Number.isSafeInteger(want)) assert.equal(got, want, what);
  else near(got, want, what);
}

async function checkFunction(page, want) {
  const found = await ask(page, 'find', want.name, want.module);
  assert.ok(found.length > 0, `there is no function ${want.name}`);
  for (const key of ['self', 'total', 'baselineSelf', 'baselineTotal']) {
    if (want[key] === undefined) continue;
    same(
      found.reduce((sum, f) => sum + f[key], 0),
      want[key],
      `${key} of ${want.name}`,
    );
  }
}

export function productCases({ path, expect }, label) {
  const file = resolve(path);
  return [
    {
      name: `${label}: opens, adds up, zooms and turns over`,
      async run(browser, note) {
        await withPage(browser, file, {}, async (page) => {
          const stats = await ask(page, 'stats');
          note(
            `${label}: ${stats.nodes} nodes, first paint ` +
              `${(await ask(page, 'timings')).firstPaint.toFixed(0)} ms`,
          );
          assert.deepEqual(stats.warnings, []);
          const functions = await ask(page, 'functions');
          const self = functions.reduce((sum, f) => sum + f.self, 0);
          if (!stats.inverted)
            same(self + (await ask(page, 'node', 0)).self, stats.sum, 'sum of self values');
          if (stats.nodes > 1) {
            await ask(page, 'zoomTo', 1);
            assert.equal(
              (await ask(page, 'rectOf', 1)).width,
              (await ask(page, 'rectOf', 0)).width,
            );
            await ask(page, 'reset');
          }
          await ask(page, 'setIcicle', true);
          near((await ask(page, 'search', '')).value, 0, 'empty search');
          near(
            (await ask(page, 'search', '[^]*')).share,
            stats.sum === 0 ? 0 : stats.sum / stats.total,
            'all',
          );
        });
      },
    },
    ...(expect === null
      ? []
      : [
          {
            name: `${label}: agrees with the expected numbers`,
            async run(browser) {
              const want = JSON.parse(readFileSync(expect, 'utf8'));
              await withPage(browser, file, {}, async (page) => {
                const stats = await ask(page, 'stats');
                if (want.title !== undefined) assert.equal(await page.title(), want.title);
                if (want.unit !== undefined) assert.equal(stats.unit, want.unit);
                if (want.nodes !== undefined) assert.equal(stats.nodes, want.nodes);
                if (want.minNodes !== undefined)
                  assert.ok(stats.nodes >= want.minNodes, `${stats.nodes} nodes`);
                if (want.total !== undefined) same(stats.total, want.total, 'total');
                if (want.baselineTotal !== undefined)
                  same(stats.baselineTotal, want.baselineTotal, 'baselineTotal');
                for (const entry of want.functions || []) await checkFunction(page, entry);
                for (const { pattern, value, share, nodes } of want.search || []) {
                  const got = await ask(page, 'search', pattern);
                  assert.equal(got.error, '');
                  if (value !== undefined) same(got.value, value, `value of /${pattern}/`);
                  if (share !== undefined) near(got.share, share, `share of /${pattern}/`);
                  if (nodes !== undefined) assert.equal(got.nodes, nodes, `nodes of /${pattern}/`);
                }
              });
            },
          },
        ]),
  ];
}
