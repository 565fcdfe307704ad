// Writes the HTML page the way lib/output does: format v1 of lib/output/assets/README.md.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';

const assets = join(dirname(fileURLToPath(import.meta.url)), '../../lib/output/assets');

export class Bytes {
  constructor() {
    this.data = Buffer.alloc(1 << 16);
    this.length = 0;
  }

  byte(b) {
    if (this.length === this.data.length)
      this.data = Buffer.concat([this.data, Buffer.alloc(this.length)]);
    this.data[this.length++] = b;
  }

  unsigned(value) {
    let v = BigInt(value);
    if (v < 0x80n) {
      this.byte(Number(v));
      return;
    }
    for (; v >= 0x80n; v >>= 7n) this.byte(Number(v & 0x7fn) | 0x80);
    this.byte(Number(v));
  }

  signed(value) {
    const v = BigInt(value);
    this.unsigned(v < 0n ? -v * 2n - 1n : v * 2n);
  }

  done() {
    return this.data.subarray(0, this.length);
  }
}

// Preorder columns to the node stream.
export function encodeNodes({ depth, frame, self, base }) {
  const out = new Bytes();
  for (let i = 0; i < depth.length; i++) {
    out.unsigned(i === 0 ? 0 : depth[i - 1] + 1 - depth[i]);
    out.unsigned(frame[i]);
    out.signed(self[i]);
    if (base) out.signed(base[i]);
  }
  return out.done();
}

export function makeDocument(options, frames, tree) {
  const strings = new Map([['', 0]]);
  const intern = (text) => {
    if (!strings.has(text)) strings.set(text, strings.size);
    return strings.get(text);
  };
  const columns = { name: [], file: [], module: [], line: [], kind: [] };
  for (const f of frames) {
    columns.name.push(intern(f.name));
    columns.file.push(intern(f.file || ''));
    columns.module.push(intern(f.module || ''));
    columns.line.push(f.line || 0);
    columns.kind.push(f.kind || 0);
  }
  const bytes = encodeNodes(tree);
  const deflate = options.deflate === true;
  const sum = (column) => column.reduce((a, b) => a + Number(b), 0);
  return {
    version: 1,
    title: 'Synthetic profile',
    subtitle: 'made by the test',
    meta: [
      ['Host', 'build-7'],
      ['Command', 'server --threads 8'],
      ['Lost samples', '0'],
    ],
    type: 'cpu',
    unit: 'nanoseconds',
    inverted: false,
    diff: tree.base !== undefined,
    normalised: false,
    pruned: { nodes: 0, value: 0 },
    ...options.document,
    names: [...strings.keys()],
    frames: columns,
    nodeCount: tree.depth.length,
    encoding: deflate ? 'base64+deflate-raw' : 'base64',
    nodes: (deflate ? deflateRawSync(bytes) : bytes).toString('base64'),
    total: sum(tree.self),
    ...(tree.base ? { baselineTotal: sum(tree.base) } : {}),
    ...options.override,
  };
}

function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

export function jsonForScript(value) {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

// Placeholders are found in the template only, never in what was put in for another one.
export function renderPage(title, data) {
  const read = (name) => readFileSync(join(assets, name), 'utf8');
  const parts = read('order.txt')
    .split('\n')
    .filter((line) => line !== '');
  const joined = (ending) =>
    parts
      .filter((name) => name.endsWith(ending))
      .map(read)
      .join('');
  const values = {
    '@TITLE@': escapeHtml(title),
    '/*@CSS@*/': joined('.css'),
    '/*@JS@*/': joined('.js'),
    '@DATA@': data,
  };
  const seen = new Set();
  const page = read('flame.html').replace(/@TITLE@|\/\*@CSS@\*\/|\/\*@JS@\*\/|@DATA@/g, (key) => {
    if (seen.has(key)) throw new Error(`${key} stands twice in the template`);
    seen.add(key);
    return values[key];
  });
  if (seen.size !== 4) throw new Error('the template lacks a placeholder');
  return page;
}

export function pageOf(document) {
  return renderPage(document.title, jsonForScript(document));
}
