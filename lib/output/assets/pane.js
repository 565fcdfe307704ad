// One flame graph on one canvas: draws the rows that are scrolled into view, finds the node under
// the pointer, keeps zoom and selection. What happens on a click is the application's business.

const ROW = 20;
const FONT = '12px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

class FlamePane {
  constructor(scroller, context, label) {
    this.scroller = scroller;
    this.context = context;
    this.tree = null;
    this.layout = new Layout();
    this.icicle = false;
    this.selected = -1;
    this.hovered = -1;
    this.times = { layout: 0, draw: 0 };
    this.drawnBoxes = 0;
    const make = (tag, name) => {
      const element = document.createElement(tag);
      element.className = name;
      scroller.append(element);
      return element;
    };
    this.canvas = make('canvas', 'flame-canvas');
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute('role', 'application');
    this.canvas.setAttribute('aria-label', label);
    this.canvas.setAttribute('aria-describedby', 'keys-hint');
    this.spacer = make('div', 'flame-spacer');
    this.hoverBox = make('div', 'flame-box hover');
    this.selectBox = make('div', 'flame-box selected');
    this.paint = this.canvas.getContext('2d', { alpha: false });
    this.frameRequested = false;
    scroller.addEventListener('scroll', () => this.redrawSoon());
    new ResizeObserver(() => this.resize()).observe(scroller);
  }

  show(tree, zoom = 0) {
    this.tree = tree;
    this.selected = -1;
    this.hovered = -1;
    this.zoomTo(zoom);
  }

  get zoom() {
    return this.layout.zoom;
  }

  resize() {
    if (!this.tree || this.scroller.clientWidth === 0) return;
    const { clientWidth, clientHeight } = this.scroller;
    if (clientWidth === this.wide && clientHeight === this.high && devicePixelRatio === this.ratio)
      return;
    const fromRoot = this.height() - this.scroller.scrollTop - this.high;
    const kept = this.scroller.scrollTop;
    this.relayout();
    this.scroller.scrollTop = this.icicle ? kept : this.height() - fromRoot - clientHeight;
    this.draw();
  }

  relayout() {
    const began = performance.now();
    const { clientWidth, clientHeight } = this.scroller;
    this.wide = clientWidth;
    this.high = clientHeight;
    this.ratio = devicePixelRatio;
    const width = Math.max(1, Math.round(clientWidth * this.ratio));
    const height = Math.max(1, Math.round(clientHeight * this.ratio));
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.canvas.style.width = `${clientWidth}px`;
      this.canvas.style.height = `${clientHeight}px`;
    }
    this.layout.build(this.tree, this.layout.zoom, Math.max(1, clientWidth));
    this.spacer.style.height = `${Math.max(0, this.height() - clientHeight)}px`;
    this.times.layout = performance.now() - began;
  }

  height() {
    return Math.max(this.layout.rowCount * ROW, this.high || 0);
  }

  rowTop(row) {
    return this.icicle ? row * ROW : this.height() - (row + 1) * ROW;
  }

  zoomTo(node) {
    this.layout.zoom = node;
    if (this.scroller.clientWidth === 0) return;
    this.relayout();
    const above = Math.max(0, this.tree.depth[node] - 3) * ROW;
    this.scroller.scrollTop = this.icicle ? above : this.height() - this.high - above;
    this.hovered = -1;
    this.draw();
  }

  redrawSoon() {
    if (this.frameRequested) return;
    this.frameRequested = true;
    requestAnimationFrame(() => {
      this.frameRequested = false;
      if (this.tree && this.scroller.clientWidth > 0) this.draw();
    });
  }

  colorsOf(node) {
    const { tree, context } = this;
    if (!tree.diff) return context.colors.ofFrame(tree.frame[node]);
    return context.colors.ofChange(tree.total[node], tree.baseTotal[node]);
  }

  // Boxes are filled into image data, one scan line per row, copied to the row's height: this stays
  // cheap with a hundred thousand boxes in view, where one canvas call per box does not. Text goes
  // on top.
  draw() {
    const began = performance.now();
    const { paint, layout } = this;
    const { look } = this.context;
    const top = this.scroller.scrollTop;
    const { width, height } = this.canvas;
    if (!this.image || this.image.width !== width || this.image.height !== height) {
      this.image = paint.createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
      this.line = new Uint32Array(width);
    }
    this.pixels.fill(look.background);
    paint.font = FONT;
    this.letter = paint.measureText('M').width;
    const texts = [];
    let boxes = 0;
    for (const row of this.visibleRows(top)) {
      this.fillLine(row, texts);
      const y = (this.rowTop(row) - top) * this.ratio;
      const last = Math.min(height, Math.round(y + (ROW - 1) * this.ratio));
      for (let k = Math.max(0, Math.round(y)); k < last; k++) this.pixels.set(this.line, k * width);
      boxes += layout.rows[row + 1] - layout.rows[row];
    }
    paint.setTransform(1, 0, 0, 1, 0, 0);
    paint.putImageData(this.image, 0, 0);
    paint.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    paint.font = FONT;
    paint.textBaseline = 'middle';
    let ink = -1;
    for (let t = 0; t < texts.length; t += 3) {
      if (texts[t + 2] !== ink) paint.fillStyle = look.ink[(ink = texts[t + 2])];
      this.drawText(texts[t], this.rowTop(texts[t + 1]) - top + ROW / 2);
    }
    this.drawnBoxes = boxes;
    this.placeMarker(this.selectBox, this.selected);
    this.placeMarker(this.hoverBox, this.hovered);
    this.times.draw = performance.now() - began;
  }

  fillLine(row, texts) {
    const { layout, tree, line, ratio } = this;
    const { search, colors, look } = this.context;
    const outside = row < tree.depth[layout.zoom];
    const legible = this.letter * 2 + 8;
    line.fill(look.background);
    for (let g = layout.gapRows[row]; g < layout.gapRows[row + 1]; g++) {
      const left = layout.gapLeft.data[g];
      line.fill(
        look.gap,
        Math.round(left * ratio),
        Math.round((left + layout.gapWidth.data[g]) * ratio),
      );
    }
    for (let b = layout.rows[row]; b < layout.rows[row + 1]; b++) {
      const node = layout.node.data[b];
      const width = layout.width.data[b];
      const match = search.matches(tree.frame[node]);
      const faded = outside || (search.active && !match);
      const color = (match ? colors.match : this.colorsOf(node)).pixel[faded ? 1 : 0];
      const from = Math.round(layout.left.data[b] * ratio);
      let to = Math.round((layout.left.data[b] + width) * ratio);
      if (width > 2.5) to -= Math.round(ratio);
      if (to <= from + 1) line[from] = color;
      else line.fill(color, from, to);
      if (width > legible) texts.push(b, row, match ? 2 : faded ? 1 : 0);
    }
  }

  visibleRows(top) {
    const rows = [];
    const last = this.layout.rowCount - 1;
    const height = this.height();
    const a = Math.floor((this.icicle ? top : height - top - this.high) / ROW) - 1;
    const b = Math.ceil((this.icicle ? top + this.high : height - top) / ROW) + 1;
    for (let row = Math.max(0, a); row <= Math.min(last, b); row++) rows.push(row);
    return rows;
  }

  drawText(box, y) {
    const { layout, paint, context } = this;
    const left = layout.left.data[box] + 4;
    const room = layout.width.data[box] - 8;
    const text = context.text.short(this.tree.frame[layout.node.data[box]]);
    const letters = Math.floor(room / this.letter);
    if (isPlain(text)) {
      paint.fillText(text.length <= letters ? text : `${text.slice(0, letters - 1)}…`, left, y);
      return;
    }
    // Wide and joined characters: measure, and cut between code points only.
    const points = Array.from(text.length > letters * 4 ? text.slice(0, letters * 4) : text);
    let shown = points.join('');
    if (shown.length < text.length || paint.measureText(shown).width > room) {
      let lo = 0;
      let hi = points.length;
      while (lo < hi) {
        const mid = (lo + hi + 1) >> 1;
        if (paint.measureText(`${points.slice(0, mid).join('')}…`).width <= room) lo = mid;
        else hi = mid - 1;
      }
      shown = lo > 0 ? `${points.slice(0, lo).join('')}…` : '';
    }
    paint.fillText(shown, left, y);
  }

  boxOf(node) {
    return node < 0 ? -1 : this.layout.find(node, this.tree.depth[node]);
  }

  placeMarker(marker, node) {
    const box = this.boxOf(node);
    marker.hidden = box < 0;
    if (box < 0) return;
    const { style } = marker;
    style.left = `${this.layout.left.data[box]}px`;
    style.top = `${this.rowTop(this.tree.depth[node])}px`;
    style.width = `${Math.max(2, this.layout.width.data[box] - 1)}px`;
    style.height = `${ROW - 1}px`;
  }

  nodeAt(clientX, clientY) {
    if (!this.tree) return -1;
    const rect = this.canvas.getBoundingClientRect();
    const x = clientX - rect.left;
    const y = clientY - rect.top + this.scroller.scrollTop;
    const row = Math.floor((this.icicle ? y : this.height() - y) / ROW);
    const box = this.layout.at(row, x);
    return box < 0 ? -1 : this.layout.node.data[box];
  }

  rectOf(node) {
    const box = this.boxOf(node);
    if (box < 0) return null;
    const rect = this.canvas.getBoundingClientRect();
    return {
      x: rect.left + this.layout.left.data[box],
      y: rect.top + this.rowTop(this.tree.depth[node]) - this.scroller.scrollTop,
      width: this.layout.width.data[box],
      height: ROW,
    };
  }

  hover(node) {
    this.hovered = node;
    this.placeMarker(this.hoverBox, node);
  }

  select(node) {
    this.selected = node;
    this.placeMarker(this.selectBox, node);
    if (this.boxOf(node) < 0) return;
    const y = this.rowTop(this.tree.depth[node]);
    const top = this.scroller.scrollTop;
    if (y < top) this.scroller.scrollTop = y;
    else if (y + ROW > top + this.high) this.scroller.scrollTop = y + ROW - this.high;
  }

  // The node one step away from the selected one, as the eye sees it; -1 when there is none.
  neighbour(key) {
    const { layout, tree } = this;
    if (this.boxOf(this.selected) < 0) return layout.zoom;
    const node = this.selected;
    const depth = tree.depth[node];
    const box = this.boxOf(node);
    if (key === 'ArrowLeft') return box > layout.rows[depth] ? layout.node.data[box - 1] : -1;
    if (key === 'ArrowRight')
      return box + 1 < layout.rows[depth + 1] ? layout.node.data[box + 1] : -1;
    if ((key === 'ArrowUp') === this.icicle) return tree.parent[node];
    let best = -1;
    if (depth + 1 >= layout.rowCount) return -1;
    for (let b = layout.rows[depth + 1]; b < layout.rows[depth + 2]; b++) {
      const child = layout.node.data[b];
      if (tree.parent[child] !== node) continue;
      if (best < 0 || layout.width.data[b] > layout.width.data[best]) best = b;
    }
    return best < 0 ? -1 : layout.node.data[best];
  }
}

function isPlain(text) {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 32 || c > 126) return false;
  }
  return true;
}
