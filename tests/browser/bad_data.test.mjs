// Damaged pages say what is wrong; they are never blank and never throw.
import assert from 'node:assert/strict';
import { deflateRawSync } from 'node:zlib';
import { withPage, writePage } from './browser.mjs';
import { randomSource } from './fixtures.mjs';
import { fixtures } from './make_fixture.mjs';
import { jsonForScript, renderPage } from './page.mjs';

const changed = (change) => {
  const document = fixtures.server();
  const result = change(document);
  return jsonForScript(result === undefined ? document : result);
};
const bytesOf = (document) => Buffer.from(document.nodes, 'base64');
const withBytes = (change) =>
  changed((document) => {
    document.nodes = Buffer.from(change(bytesOf(document))).toString('base64');
  });
const withFrame = (key, at, value) =>
  changed((document) => {
    document.frames[key][at] = value;
  });

const faults = [
  ['no JSON', '{"version":1', 'not valid JSON'],
  ['nothing', '', 'not valid JSON'],
  ['an array', '[]', 'not a JSON object'],
  ['null', 'null', 'not a JSON object'],
  [
    'another version',
    changed((d) => {
      d.version = 2;
    }),
    'format version 2',
  ],
  [
    'no names',
    changed((d) => {
      delete d.names;
    }),
    'table of names',
  ],
  [
    'a name that is a number',
    changed((d) => {
      d.names[3] = 7;
    }),
    'Name 3',
  ],
  [
    'no frames',
    changed((d) => {
      d.frames = null;
    }),
    'frame table',
  ],
  [
    'an empty frame table',
    changed((d) => {
      d.frames.name = [];
    }),
    'frame table is empty',
  ],
  [
    'columns of different length',
    changed((d) => {
      d.frames.kind.pop();
    }),
    '"kind"',
  ],
  ['a name out of range', withFrame('name', 2, 1e6), 'Frame 2'],
  ['a module that is a text', withFrame('module', 2, '1'), 'Frame 2'],
  ['a negative line', withFrame('line', 1, -1), 'Frame 1'],
  [
    'a node count that lies',
    changed((d) => {
      d.nodeCount = 100000000;
    }),
    'too short',
  ],
  [
    'a node count past the limit',
    changed((d) => {
      d.nodeCount = 2 ** 40;
    }),
    'is over',
  ],
  [
    'a node count of zero',
    changed((d) => {
      d.nodeCount = 0;
    }),
    'not positive',
  ],
  [
    'a node count one too small',
    changed((d) => {
      d.nodeCount--;
    }),
    'after its last node',
  ],
  [
    'no stream',
    changed((d) => {
      d.nodes = 5;
    }),
    'stream is missing',
  ],
  [
    'bad base64',
    changed((d) => {
      d.nodes = '*';
    }),
    'base64',
  ],
  [
    'an unknown encoding',
    changed((d) => {
      d.encoding = 'zstd';
    }),
    'zstd',
  ],
  [
    'bad deflate',
    changed((d) => {
      d.encoding = 'base64+deflate-raw';
    }),
    'damaged',
  ],
  [
    'a deflate bomb',
    changed((d) => {
      d.encoding = 'base64+deflate-raw';
      d.nodes = deflateRawSync(Buffer.alloc(1 << 26)).toString('base64');
    }),
    'inflates to more',
  ],
  ['a short stream', withBytes((b) => b.subarray(0, b.length - 1)), 'ends too early'],
  ['a long number', withBytes((b) => Buffer.concat([Buffer.alloc(12, 0xff), b])), 'too long'],
  [
    'a root at depth one',
    withBytes((b) => {
      b[0] = 1;
      return b;
    }),
    'root node',
  ],
  [
    'a node outside of the root',
    withBytes((b) => {
      b[3] = 9;
      return b;
    }),
    'outside of the root',
  ],
  [
    'a frame out of range',
    withBytes((b) => {
      b[4] = 0x7f;
      return b;
    }),
    'frame 127',
  ],
];

export const badDataCases = [
  ...faults.map(([what, data, message]) => ({
    name: `bad data: ${what}`,
    async run(browser) {
      const path = writePage('bad', renderPage('Damaged', data));
      await withPage(browser, path, { faultExpected: true }, async (page, ready) => {
        assert.equal(ready.ok, false);
        const text = await page.innerText('#fault');
        assert.ok(text.includes(message), text);
        assert.ok(await page.isHidden('#app'));
        assert.ok(await page.isHidden('#loading'));
      });
    },
  })),
  {
    name: 'bad data: random damage to the stream ends in a graph or a message',
    async run(browser) {
      const original = bytesOf(fixtures.server());
      const source = randomSource(99);
      const random = (limit) => Math.floor(source() * limit);
      const seen = { graph: 0, message: 0 };
      for (let round = 0; round < 25; round++) {
        const data = withBytes(() => {
          const bytes = Buffer.from(original);
          bytes[random(bytes.length)] ^= 1 << random(8);
          return bytes;
        });
        const path = writePage('damaged', renderPage('Damaged', data));
        await withPage(browser, path, { faultExpected: true }, async (page, ready) => {
          const visible = await page.isVisible(ready.ok ? '#app' : '#fault');
          assert.ok(visible);
          seen[ready.ok ? 'graph' : 'message']++;
        });
      }
      assert.ok(seen.graph > 0 && seen.message > 0, JSON.stringify(seen));
    },
  },
];
