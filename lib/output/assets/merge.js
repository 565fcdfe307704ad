// Trees made in the browser: everything above a set of nodes (callers; with all leaves, the
// inverted tree) and everything below it (callees).
//
// Both go breadth first over groups: a group is one node of the new tree and holds a segment of a
// list. Splitting a group by frame is a counting sort inside its segment, so no per-node objects
// and no hash table are needed. Callees touch each old node once. Callers walk each path to the
// root, which can be quadratic in a hostile tree; therefore the walk has a budget, and on large
// trees groups that could never be seen are not opened. Their value stays with the node, so totals
// are right; they are counted in leftOut.

const CALLER_STEPS = 8e6;
const FINE_STEPS = 4e6;
const UNSEEN_SHARE = 2e-5;

class Column {
  constructor(Type) {
    this.data = new Type(1024);
    this.length = 0;
  }

  push(value) {
    if (this.length === this.data.length) {
      const bigger = new this.data.constructor(this.length * 2);
      bigger.set(this.data);
      this.data = bigger;
    }
    this.data[this.length++] = value;
  }
}

class GroupSplitter {
  constructor(frameCount) {
    this.slot = new Int32Array(frameCount).fill(-1);
    this.frames = [];
    this.sizes = [];
    this.weights = [];
  }

  clear() {
    for (const f of this.frames) this.slot[f] = -1;
    this.frames.length = this.sizes.length = this.weights.length = 0;
  }

  add(frame, weight) {
    let s = this.slot[frame];
    if (s < 0) {
      s = this.slot[frame] = this.frames.length;
      this.frames.push(frame);
      this.sizes.push(0);
      this.weights.push(0);
    }
    this.sizes[s]++;
    this.weights[s] += weight;
  }

  // Slots, heaviest first; equal weights by frame id, so that the order does not depend on the
  // walk.
  ordered() {
    const { weights, frames } = this;
    return frames.map((_, s) => s).sort((a, b) => weights[b] - weights[a] || frames[a] - frames[b]);
  }
}

class BreadthFirstTree {
  constructor(diff) {
    this.diff = diff;
    this.parent = new Column(Int32Array);
    this.frame = new Column(Int32Array);
    this.self = new Column(Float64Array);
    this.base = diff ? new Column(Float64Array) : null;
  }

  add(parent, frame) {
    this.parent.push(parent);
    this.frame.push(frame);
    this.self.push(0);
    if (this.base) this.base.push(0);
    return this.frame.length - 1;
  }

  addSelf(id, value, base) {
    this.self.data[id] += value;
    if (this.base) this.base.data[id] += base;
  }

  toPreorder() {
    const count = this.frame.length;
    const parent = this.parent.data;
    const size = new Int32Array(count).fill(1);
    for (let i = count - 1; i > 0; i--) size[parent[i]] += size[i];
    const place = new Int32Array(count);
    const next = new Int32Array(count);
    const tree = new Tree(count, this.diff);
    for (let i = 0; i < count; i++) {
      const p = parent[i];
      const at = i === 0 ? 0 : next[p];
      place[i] = at;
      next[i] = at + 1;
      if (i > 0) next[p] += size[i];
      tree.parent[at] = i === 0 ? -1 : place[p];
      tree.depth[at] = i === 0 ? 0 : tree.depth[place[p]] + 1;
      tree.frame[at] = this.frame.data[i];
      tree.self[at] = this.self.data[i];
      if (this.base) tree.baseSelf[at] = this.base.data[i];
    }
    return tree.finish();
  }
}

// `first` holds, per path, the node where it starts to climb; `value` and `base` what it carries.
function mergeUpwards(tree, rootFrame, frameCount, first, value, base) {
  const out = new BreadthFirstTree(tree.diff);
  const splitter = new GroupSplitter(frameCount);
  const count = first.length;
  const at = Int32Array.from(first);
  const weigh = (k) => Math.max(Math.abs(value[k]), base ? Math.abs(base[k]) : 0);
  let path = new Int32Array(count);
  let spare = new Int32Array(count);
  let steps = 0;
  let sum = 0;
  for (let k = 0; k < count; k++) {
    path[k] = k;
    steps += at[k] > 0 ? tree.depth[at[k]] : 0;
    sum += weigh(k);
  }
  const least = steps > FINE_STEPS ? sum * UNSEEN_SHARE : 0;
  let budget = CALLER_STEPS;
  let leftOut = 0;
  out.add(-1, rootFrame);
  let groups = [0, 0, count];
  while (groups.length > 0) {
    const deeper = [];
    for (let g = 0; g < groups.length; g += 3) {
      const id = groups[g];
      const lo = groups[g + 1];
      const hi = groups[g + 2];
      const open = budget > 0;
      if (!open) leftOut++;
      budget -= hi - lo;
      splitter.clear();
      for (let j = lo; j < hi; j++) {
        const k = path[j];
        if (!open || at[k] <= 0) out.addSelf(id, value[k], base ? base[k] : 0);
        else splitter.add(tree.frame[at[k]], weigh(k));
      }
      let fill = lo;
      const offset = new Array(splitter.frames.length);
      for (const s of splitter.ordered()) {
        const child = out.add(id, splitter.frames[s]);
        offset[s] = fill;
        const begin = fill;
        fill += splitter.sizes[s];
        splitter.sizes[s] = child;
        deeper.push(child, begin, fill);
        if (splitter.weights[s] < least) splitter.sizes[s] = -child;
      }
      if (splitter.frames.length === 0) continue;
      for (let j = lo; j < hi; j++) {
        const k = path[j];
        if (at[k] <= 0) continue;
        const s = splitter.slot[tree.frame[at[k]]];
        spare[offset[s]++] = k;
        at[k] = tree.parent[at[k]];
        if (splitter.sizes[s] < 0) {
          if (at[k] > 0) leftOut++;
          out.addSelf(-splitter.sizes[s], value[k], base ? base[k] : 0);
        }
      }
      // Groups that stay closed have their value already and need no segment.
      let keep = deeper.length - 3 * splitter.frames.length;
      for (let d = keep; d < deeper.length; d += 3) {
        const s = splitter.slot[out.frame.data[deeper[d]]];
        if (splitter.sizes[s] < 0) continue;
        deeper[keep] = deeper[d];
        deeper[keep + 1] = deeper[d + 1];
        deeper[keep + 2] = deeper[d + 2];
        keep += 3;
      }
      deeper.length = keep;
    }
    [path, spare] = [spare, path];
    groups = deeper;
  }
  const merged = out.toPreorder();
  merged.leftOut = leftOut;
  return merged;
}

function invertTree(tree, frameCount) {
  const { count, self, baseSelf } = tree;
  const first = [];
  for (let i = 0; i < count; i++) {
    if (self[i] !== 0 || (baseSelf && baseSelf[i] !== 0)) first.push(i);
  }
  const value = Float64Array.from(first, (i) => self[i]);
  const base = baseSelf ? Float64Array.from(first, (i) => baseSelf[i]) : null;
  return mergeUpwards(tree, tree.frame[0], frameCount, first, value, base);
}

function mergeCallers(tree, sites, rootFrame, frameCount) {
  const value = Float64Array.from(sites, (i) => tree.total[i]);
  const base = tree.diff ? Float64Array.from(sites, (i) => tree.baseTotal[i]) : null;
  return mergeUpwards(
    tree,
    rootFrame,
    frameCount,
    sites.map((i) => tree.parent[i]),
    value,
    base,
  );
}

function mergeCallees(tree, sites, rootFrame, frameCount) {
  const { end, frame, self, baseSelf, weight } = tree;
  const out = new BreadthFirstTree(tree.diff);
  const splitter = new GroupSplitter(frameCount);
  out.add(-1, rootFrame);
  let above = new Column(Int32Array);
  let below = new Column(Int32Array);
  for (const site of sites) above.push(site);
  let groups = [0, 0, above.length];
  while (groups.length > 0) {
    below.length = 0;
    const deeper = [];
    for (let g = 0; g < groups.length; g += 3) {
      const id = groups[g];
      splitter.clear();
      let size = 0;
      for (let j = groups[g + 1]; j < groups[g + 2]; j++) {
        const p = above.data[j];
        out.addSelf(id, self[p], baseSelf ? baseSelf[p] : 0);
        for (let c = p + 1; c < end[p]; c = end[c]) {
          splitter.add(frame[c], weight[c]);
          below.push(c);
          size++;
        }
      }
      if (size === 0) continue;
      let fill = below.length - size;
      const children = below.data.slice(fill, below.length);
      const offset = new Array(splitter.frames.length);
      for (const s of splitter.ordered()) {
        offset[s] = fill;
        fill += splitter.sizes[s];
        deeper.push(out.add(id, splitter.frames[s]), offset[s], fill);
      }
      for (const c of children) below.data[offset[splitter.slot[frame[c]]]++] = c;
    }
    [above, below] = [below, above];
    groups = deeper;
  }
  return out.toPreorder();
}
