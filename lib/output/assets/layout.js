// Which boxes a zoom shows. Rows are made from the root down; a row is made only from the boxes of
// the row before, so a subtree under a narrow box costs nothing. Runs of narrow siblings are jumped
// over: `start` does not fall in preorder, so a binary search finds the first node past the next
// half pixel, and everything before the sibling that holds it is narrower than that. Hence a row
// costs O(width log n), whatever its size. What was jumped over is kept as gaps, one per run, so
// that the place can be shaded and does not look empty.

const LEAST_WIDTH = 0.5;
const NARROW_RUN = 8;

class Layout {
  constructor() {
    this.node = new Column(Int32Array);
    this.left = new Column(Float64Array);
    this.width = new Column(Float64Array);
    this.gapLeft = new Column(Float64Array);
    this.gapWidth = new Column(Float64Array);
    this.rows = [0];
    this.gapRows = [0];
    this.hidden = 0;
    this.zoom = 0;
  }

  get rowCount() {
    return this.rows.length - 1;
  }

  push(node, left, width) {
    this.node.push(node);
    this.left.push(left);
    this.width.push(width);
  }

  endRow() {
    this.rows.push(this.node.length);
    this.gapRows.push(this.gapLeft.length);
  }

  pushGap(left, width) {
    if (width < 1) return;
    this.gapLeft.push(left);
    this.gapWidth.push(width);
  }

  build(tree, zoom, pixels) {
    const { parent, end, start, weight, depth } = tree;
    this.node.length = this.left.length = this.width.length = 0;
    this.gapLeft.length = this.gapWidth.length = 0;
    this.rows = [0];
    this.gapRows = [0];
    this.hidden = 0;
    this.zoom = zoom;
    const scale = weight[zoom] > 0 ? pixels / weight[zoom] : 0;
    const ancestors = [];
    for (let i = zoom; i >= 0; i = parent[i]) ancestors.push(i);
    for (let k = ancestors.length - 1; k >= 0; k--) {
      this.push(ancestors[k], 0, pixels);
      this.endRow();
    }
    if (scale === 0) {
      this.hidden = end[zoom] - zoom - 1;
      return this;
    }
    const origin = start[zoom];
    const least = LEAST_WIDTH / scale;
    for (let row = depth[zoom]; this.rows[row] < this.rows[row + 1]; row++) {
      for (let b = this.rows[row]; b < this.rows[row + 1]; b++) {
        const p = this.node.data[b];
        const stop = end[p];
        let run = 0;
        let gap = -1;
        let last = -1;
        for (let c = p + 1; c < stop;) {
          if (weight[c] >= least) {
            if (gap >= 0)
              this.pushGap((start[gap] - origin) * scale, (start[c] - start[gap]) * scale);
            gap = -1;
            this.push(c, (start[c] - origin) * scale, weight[c] * scale);
            run = 0;
            c = end[c];
            continue;
          }
          if (gap < 0) gap = c;
          last = c;
          this.hidden += end[c] - c;
          c = end[c];
          if (++run < NARROW_RUN || c >= stop) continue;
          const next = siblingNear(tree, c, stop, start[c] + least);
          this.hidden += next - c;
          c = next;
        }
        if (gap >= 0) {
          const right = start[last] + weight[last];
          this.pushGap((start[gap] - origin) * scale, (right - start[gap]) * scale);
        }
      }
      this.endRow();
    }
    // The last row has no boxes; it stays when there is a gap to shade.
    if (this.gapRows.at(-1) === this.gapRows.at(-2)) this.rows.pop();
    return this;
  }

  // The box of a node, or -1 when it is not shown. Nodes grow along a row.
  find(node, depth) {
    if (depth >= this.rowCount) return -1;
    let lo = this.rows[depth];
    let hi = this.rows[depth + 1];
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (this.node.data[mid] < node) lo = mid + 1;
      else hi = mid;
    }
    return lo < this.rows[depth + 1] && this.node.data[lo] === node ? lo : -1;
  }

  at(row, x) {
    if (row < 0 || row >= this.rowCount) return -1;
    let lo = this.rows[row];
    let hi = this.rows[row + 1];
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (this.left.data[mid] <= x) lo = mid + 1;
      else hi = mid;
    }
    const box = lo - 1;
    if (box < this.rows[row]) return -1;
    return x < this.left.data[box] + Math.max(this.width.data[box], 1) ? box : -1;
  }
}

// The last sibling of `first` that starts before `target`.
function siblingNear(tree, first, stop, target) {
  const { start, parent, depth } = tree;
  let lo = first + 1;
  let hi = stop;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (start[mid] < target) lo = mid + 1;
    else hi = mid;
  }
  let node = lo - 1;
  while (depth[node] > depth[first]) node = parent[node];
  return node;
}
