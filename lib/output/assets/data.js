// Reads the JSON block into typed columns. Everything in it is hostile: each count is checked
// against what is really there before memory is taken for it, and a fault becomes a DataError with
// a sentence that the page can show.

class DataError extends Error {}

const FORMAT_VERSION = 1;
const MAX_NODES = 1 << 27;
const EXACT = Number.MAX_SAFE_INTEGER;

function require(condition, message) {
  if (!condition) throw new DataError(message);
}

function isCount(value) {
  return Number.isSafeInteger(value) && value >= 0;
}

function readDocument() {
  const element = document.getElementById('profcore-data');
  require(element, 'The page holds no data block.');
  let doc;
  try {
    doc = JSON.parse(element.textContent);
  } catch (error) {
    throw new DataError(`The data block is not valid JSON: ${error.message}`);
  }
  element.textContent = '';
  require(doc !== null &&
    typeof doc === 'object' &&
    !Array.isArray(doc), 'The data block is not a JSON object.');
  require(doc.version ===
    FORMAT_VERSION, `The data has format version ${String(doc.version)}; this page reads version ${FORMAT_VERSION}.`);
  require(Array.isArray(doc.names), 'The table of names is missing.');
  for (let i = 0; i < doc.names.length; i++) {
    require(typeof doc.names[i] === 'string', `Name ${i} is not a string.`);
  }
  require(isCount(doc.nodeCount) &&
    doc.nodeCount >= 1, 'The node count is missing or not positive.');
  require(doc.nodeCount <= MAX_NODES, `The node count ${doc.nodeCount} is over ${MAX_NODES}.`);
  require(typeof doc.nodes === 'string', 'The node stream is missing.');
  const text = (value) => (typeof value === 'string' ? value : '');
  const number = (value) => (Number.isFinite(value) ? value : null);
  return {
    title: text(doc.title) || 'Profile',
    subtitle: text(doc.subtitle),
    meta: readMeta(doc.meta),
    type: text(doc.type),
    unit: text(doc.unit) || 'count',
    inverted: doc.inverted === true,
    icicle: doc.icicle === true,
    diff: doc.diff === true,
    normalised: doc.normalised === true,
    names: doc.names,
    frames: readFrames(doc.frames, doc.names.length),
    nodeCount: doc.nodeCount,
    encoding: doc.encoding,
    nodes: doc.nodes,
    total: number(doc.total),
    baselineTotal: number(doc.baselineTotal),
    pruned: {
      nodes: number(doc.pruned && doc.pruned.nodes) || 0,
      value: number(doc.pruned && doc.pruned.value) || 0,
    },
  };
}

function readMeta(meta) {
  if (!Array.isArray(meta)) return [];
  return meta
    .filter((row) => Array.isArray(row) && row.length >= 2)
    .map((row) => [String(row[0]), String(row[1])]);
}

function readFrames(frames, nameCount) {
  require(frames !== null && typeof frames === 'object', 'The frame table is missing.');
  require(Array.isArray(frames.name) && frames.name.length > 0, 'The frame table is empty.');
  const count = frames.name.length;
  const column = (key, limit, what) => {
    const from = frames[key];
    const to = new Int32Array(count);
    if (from === undefined && key !== 'name') return to;
    require(Array.isArray(from) &&
      from.length === count, `The frame column "${key}" does not have ${count} entries.`);
    for (let i = 0; i < count; i++) {
      const value = from[i];
      require(Number.isInteger(value) &&
        value >= 0 &&
        value < limit, `Frame ${i} has a ${what} that is out of range.`);
      to[i] = value;
    }
    return to;
  };
  const max = 2 ** 31;
  return {
    count,
    name: column('name', nameCount, 'name'),
    file: column('file', Math.max(nameCount, 1), 'file'),
    module: column('module', Math.max(nameCount, 1), 'module'),
    line: column('line', max, 'line'),
    kind: column('kind', max, 'kind'),
  };
}

function fromBase64(text) {
  try {
    if (typeof Uint8Array.fromBase64 === 'function') return Uint8Array.fromBase64(text);
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  } catch {
    throw new DataError('The node stream is not valid base64.');
  }
}

async function inflateRaw(bytes, limit) {
  require(typeof DecompressionStream ===
    'function', 'The data is compressed and this browser has no DecompressionStream; use a newer one.');
  const reader = new Blob([bytes])
    .stream()
    .pipeThrough(new DecompressionStream('deflate-raw'))
    .getReader();
  const parts = [];
  let size = 0;
  for (;;) {
    let step;
    try {
      step = await reader.read();
    } catch {
      throw new DataError(`The compressed node stream is damaged after ${size} bytes.`);
    }
    if (step.done) break;
    parts.push(step.value);
    size += step.value.length;
    if (size > limit) {
      reader.cancel().catch(() => {});
      throw new DataError(`The node stream inflates to more than ${limit} bytes.`);
    }
  }
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

class NodeReader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  byte() {
    if (this.at >= this.bytes.length) {
      throw new DataError(`The node stream ends too early, at byte ${this.at}.`);
    }
    return this.bytes[this.at++];
  }

  // The rest of a number whose first byte gave `value`; the next byte weighs `scale`.
  rest(value, scale) {
    for (let i = 1; i < 10; i++) {
      const b = this.byte();
      if (i === 9 && b > 1) break;
      value += (b & 127) * scale;
      if (b < 128) return value;
      scale *= 128;
    }
    throw new DataError(`A number in the node stream is too long, at byte ${this.at}.`);
  }

  unsigned() {
    const b = this.byte();
    return b < 128 ? b : this.rest(b & 127, 128);
  }

  // The sign is taken from the first byte, because a double past 2^53 has lost it.
  signed() {
    const b = this.byte();
    const half = (b & 127) >> 1;
    const magnitude = b < 128 ? half : this.rest(half, 64);
    return b & 1 ? -magnitude - 1 : magnitude;
  }
}

// A tree in preorder, one column per property: the subtree of i is [i, end[i]).
class Tree {
  constructor(count, diff) {
    this.count = count;
    this.diff = diff;
    this.parent = new Int32Array(count);
    this.frame = new Int32Array(count);
    this.depth = new Int32Array(count);
    this.end = new Int32Array(count);
    this.self = new Float64Array(count);
    this.total = new Float64Array(count);
    this.baseSelf = diff ? new Float64Array(count) : null;
    this.baseTotal = diff ? new Float64Array(count) : null;
    this.maxDepth = 0;
    this.leftOut = 0;
    this.weight = null;
    this.start = null;
  }

  // Self values and parents are in: add up totals and subtree ends, children before parents.
  finish() {
    const { count, parent, end, self, total, baseSelf, baseTotal, depth } = this;
    total.set(self);
    if (baseTotal) baseTotal.set(baseSelf);
    let maxDepth = 0;
    for (let i = count - 1; i >= 0; i--) {
      if (end[i] === 0) end[i] = i + 1;
      if (depth[i] > maxDepth) maxDepth = depth[i];
      if (i === 0) break;
      const p = parent[i];
      if (end[i] > end[p]) end[p] = end[i];
      total[p] += total[i];
      if (baseTotal) baseTotal[p] += baseTotal[i];
    }
    this.maxDepth = maxDepth;
    return this;
  }

  // Widths: what a node weighs on the screen and where it starts. Both sides of a diff need room,
  // so a leaf weighs the larger of the two by default; negative values count by their size.
  setWidths(mode) {
    const { count, parent, self, baseSelf } = this;
    let weight = this.total;
    const negative = self.some((value) => value < 0);
    if (this.diff || negative) {
      weight = new Float64Array(count);
      for (let i = count - 1; i >= 0; i--) {
        const b = Math.abs(self[i]);
        const a = baseSelf ? Math.abs(baseSelf[i]) : 0;
        weight[i] += mode === 'a' ? a : mode === 'b' || !baseSelf ? b : Math.max(a, b);
        if (i > 0) weight[parent[i]] += weight[i];
      }
    }
    const start = new Float64Array(count);
    const next = new Float64Array(count);
    for (let i = 1; i < count; i++) {
      const p = parent[i];
      start[i] = next[p];
      next[i] = next[p];
      next[p] += weight[i];
    }
    this.weight = weight;
    this.start = start;
    return this;
  }
}

function decodeTree(bytes, count, frameCount, diff) {
  require(count <=
    bytes.length /
      (diff ? 4 : 3), `The node stream of ${bytes.length} bytes is too short for ${count} nodes.`);
  const reader = new NodeReader(bytes);
  const tree = new Tree(count, diff);
  const { parent, frame, depth, self, baseSelf } = tree;
  for (let i = 0; i < count; i++) {
    const up = reader.unsigned();
    if (i === 0) {
      require(up === 0, 'The root node does not stand at depth 0.');
      parent[0] = -1;
    } else {
      require(up <= depth[i - 1], `Node ${i} stands outside of the root.`);
      let p = i - 1;
      for (let k = 0; k < up; k++) p = parent[p];
      parent[i] = p;
      depth[i] = depth[p] + 1;
    }
    const f = reader.unsigned();
    require(f < frameCount, `Node ${i} has frame ${f}, and there are ${frameCount}.`);
    frame[i] = f;
    self[i] = reader.signed();
    if (diff) baseSelf[i] = reader.signed();
  }
  require(reader.at ===
    bytes.length, `The node stream has ${bytes.length - reader.at} bytes after its last node.`);
  return tree.finish();
}

async function loadTree(doc) {
  let bytes = fromBase64(doc.nodes);
  doc.nodes = '';
  if (doc.encoding === 'base64+deflate-raw') {
    bytes = await inflateRaw(bytes, doc.nodeCount * 40 + 64);
  } else {
    require(doc.encoding === 'base64', `The encoding ${String(doc.encoding)} is not known.`);
  }
  return decodeTree(bytes, doc.nodeCount, doc.frames.count, doc.diff);
}
