// The application: which view is shown, what is zoomed, searched and compared.

class Viewer {
  constructor(doc, base) {
    this.doc = doc;
    this.base = base.setWidths('union');
    this.functions = groupFunctions(doc.frames, doc.names.length);
    this.inverted = null;
    this.table = null;
    this.sandwich = null;
    this.view = 'graph';
    this.invertOn = false;
    this.widthMode = 'union';
    this.warnings = [];
    this.times = { zoom: 0, search: 0, invert: 0, table: 0, sandwich: 0 };
    this.wholes = this.findWholes();
    this.search = new Search(doc);
    const viewer = this;
    this.context = {
      doc,
      names: doc.names,
      frames: doc.frames,
      unit: doc.unit,
      wholes: this.wholes,
      search: this.search,
      colors: new FrameColors(doc),
      look: null,
      text: new FrameText(doc.names, doc.frames),
      announce: (text) => viewer.announce(text),
    };
    this.graph = new FlamePane(byId('graph'), this.context, 'Flame graph');
    this.callers = new FlamePane(byId('callers'), this.context, 'Callers');
    this.callees = new FlamePane(byId('callees'), this.context, 'Callees');
    this.callees.icicle = true;
    this.active = this.graph;
    this.functionView = new FunctionView(byId('table'), this.context, (f) => this.openSandwich(f));
    this.tooltip = new Tooltip(this);
    this.menu = new FrameMenu(this);
  }

  // Shares are of what the profile holds, including what the writer left out of the tree.
  findWholes() {
    const { doc, base } = this;
    const pick = (declared, summed, what) => {
      if (Math.abs(summed) > EXACT) {
        this.warnings.push('Values are past 2^53 and are shown rounded.');
      }
      if (declared === null) return summed;
      const slack = Math.abs(declared) * 1e-9 + 0.5 + Math.abs(doc.pruned.value);
      if (Math.abs(declared - summed) > slack) {
        this.warnings.push(
          `The ${what} is given as ${formatCount(declared)}, but the nodes add up to ` +
            `${formatCount(summed)}; shares are of the sum.`,
        );
        return summed;
      }
      return declared;
    };
    return {
      total: pick(doc.total, base.total[0], 'total'),
      baseTotal: doc.diff ? pick(doc.baselineTotal, base.baseTotal[0], 'old total') : 0,
    };
  }

  start() {
    const { doc } = this;
    byId('title').textContent = clip(doc.title, 300);
    byId('subtitle').textContent = clip(doc.subtitle || doc.type, 300);
    byId('totals').textContent = this.totalsText();
    byId('widths-label').hidden = !doc.diff;
    byId('status').textContent = this.hint();
    this.applyTheme();
    byId('loading').hidden = true;
    byId('app').hidden = false;
    this.graph.canvas.setAttribute(
      'aria-label',
      `Flame graph of ${clip(doc.title, 200)}, ` + `${this.totalsText()}`,
    );
    this.markControls();
    this.drawLegend();
    this.graph.show(this.base);
    this.afterDraw();
  }

  hint() {
    return this.base.weight[0] > 0
      ? 'Click a frame to zoom; ? lists the keys.'
      : 'This profile holds no values.';
  }

  totalsText() {
    const { doc, wholes } = this;
    const now = formatValue(wholes.total, doc.unit);
    if (!doc.diff) return now;
    return `${formatValue(wholes.baseTotal, doc.unit)} → ${now}`;
  }

  // Themes: the system's wish until the reader picks one.
  get theme() {
    return (
      this.pickedTheme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')
    );
  }

  applyTheme() {
    document.documentElement.dataset.theme = this.theme;
    this.context.colors.setTheme(this.theme);
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    this.context.look = {
      background: pixelOf(read('--page')),
      gap: pixelOf(read('--gap')),
      ink: [read('--text'), read('--faded'), '#ffffff'],
    };
    this.drawLegend();
    this.redraw();
  }

  toggleTheme() {
    this.pickedTheme = this.theme === 'dark' ? 'light' : 'dark';
    this.applyTheme();
  }

  redraw() {
    const panes = this.view === 'sandwich' ? [this.callers, this.callees] : [this.graph];
    for (const pane of panes) if (pane.tree && pane.wide) pane.draw();
    if (this.view === 'table') this.functionView.draw();
  }

  setView(view) {
    this.view = view;
    this.tooltip.hide();
    if (view === 'table' || view === 'sandwich') this.needTable();
    this.active = view === 'sandwich' ? this.callers : this.graph;
    this.markControls();
    if (view === 'graph') this.graph.resize();
    if (view === 'table') this.functionView.draw();
    if (view === 'sandwich') this.showSandwich();
    this.redraw();
    this.afterDraw();
  }

  needTable() {
    if (this.table) return;
    const began = performance.now();
    this.table = functionTable(this.base, this.functions, this.doc.inverted);
    this.functionView.show(this.table, this.functions, this.doc.diff);
    this.times.table = performance.now() - began;
  }

  toggleIcicle() {
    this.graph.icicle = !this.graph.icicle;
    this.graph.zoomTo(this.graph.zoom);
    this.markControls();
    this.afterDraw();
  }

  toggleInvert() {
    this.invertOn = !this.invertOn;
    if (this.invertOn && !this.inverted) {
      const began = performance.now();
      this.inverted = invertTree(this.base, this.doc.frames.count).setWidths(this.widthMode);
      this.times.invert = performance.now() - began;
    }
    this.graph.show(this.invertOn ? this.inverted : this.base);
    this.markControls();
    this.afterDraw();
    this.announce(
      this.invertOn ? 'Bottom-up from the running functions' : 'Top-down from the root',
    );
  }

  setWidths(mode) {
    this.widthMode = mode;
    byId('widths').value = mode;
    for (const tree of [this.base, this.inverted]) if (tree) tree.setWidths(mode);
    if (this.sandwich) {
      this.sandwich.callers.setWidths(mode);
      this.sandwich.callees.setWidths(mode);
    }
    for (const pane of [this.graph, this.callers, this.callees]) {
      if (pane.tree) pane.zoomTo(pane.zoom);
    }
    this.afterDraw();
  }

  zoom(pane, node) {
    const began = performance.now();
    this.tooltip.hide();
    pane.zoomTo(node);
    this.times.zoom = performance.now() - began;
    this.afterDraw();
    const { text, unit } = this.context;
    if (node === 0) this.announce('All frames are shown.');
    else
      this.announce(
        `Zoomed to ${text.short(pane.tree.frame[node])}, ` +
          `${formatValue(pane.tree.total[node], unit)}`,
      );
  }

  reset() {
    for (const pane of this.view === 'sandwich' ? [this.callers, this.callees] : [this.graph]) {
      if (pane.tree && pane.zoom !== 0) this.zoom(pane, 0);
    }
  }

  select(pane, node) {
    if (node < 0) return;
    this.active = pane;
    pane.select(node);
    const line = this.describe(pane, node);
    byId('status').textContent = line;
    this.announce(line);
  }

  describe(pane, node) {
    const { text, unit, wholes } = this.context;
    const { tree } = pane;
    const name = text.short(tree.frame[node]);
    const share = formatShare(shareOf(tree.total[node], wholes.total));
    if (!tree.diff) {
      return (
        `${name}: total ${formatValue(tree.total[node], unit)} (${share}), ` +
        `self ${formatValue(tree.self[node], unit)}`
      );
    }
    return (
      `${name}: ${formatValue(tree.baseTotal[node], unit)} → ` +
      `${formatValue(tree.total[node], unit)} (${changeText(tree.total[node], tree.baseTotal[node], unit)})`
    );
  }

  setSearch(text) {
    const began = performance.now();
    const field = byId('search');
    if (field.value !== text) field.value = text;
    const { search } = this;
    search.run(text, this.base);
    this.times.search = performance.now() - began;
    field.setAttribute('aria-invalid', String(search.error !== ''));
    const match = byId('match');
    match.classList.toggle('bad', search.error !== '');
    match.textContent = this.matchText();
    byId('next').disabled = byId('previous').disabled = search.result.nodes === 0;
    if (this.table) this.functionView.refresh();
    this.redraw();
    if (text !== '') this.announce(match.textContent);
  }

  matchText() {
    const { search, wholes, doc } = this;
    if (search.error) return 'Not a regular expression';
    if (!search.active) return '';
    const { nodes, value, baseValue } = search.result;
    if (nodes === 0) return 'No match';
    const now = formatShare(shareOf(value, wholes.total));
    const share = doc.diff ? `${formatShare(shareOf(baseValue, wholes.baseTotal))} → ${now}` : now;
    return `${share} in ${formatCount(nodes)} ${nodes === 1 ? 'frame' : 'frames'}`;
  }

  nextMatch(step) {
    if (this.view === 'table') this.setView('graph');
    const pane = this.active;
    if (!pane.tree) return;
    const from = pane.selected >= 0 ? pane.selected : step > 0 ? -1 : pane.tree.count;
    const node = this.search.next(pane.tree, from, step);
    if (node < 0) return;
    if (pane.boxOf(node) < 0) this.zoom(pane, node);
    this.select(pane, node);
  }

  openSandwichOf(frame) {
    this.openSandwich(this.functions.ofFrame[frame]);
  }

  openSandwich(f) {
    const began = performance.now();
    const { base, doc, functions } = this;
    const sites = outermostNodes(base, functions, f);
    if (sites.length === 0) {
      this.announce('This frame is not a function of the profile.');
      return;
    }
    const frame = functions.firstFrame[f];
    const up = mergeCallers(base, sites, frame, doc.frames.count).setWidths(this.widthMode);
    const down = mergeCallees(base, sites, frame, doc.frames.count).setWidths(this.widthMode);
    this.sandwich = {
      function: f,
      sites: sites.length,
      fresh: true,
      callers: doc.inverted ? down : up,
      callees: doc.inverted ? up : down,
    };
    this.setView('sandwich');
    this.times.sandwich = performance.now() - began;
  }

  showSandwich() {
    const { sandwich, context, table, wholes, doc } = this;
    if (!sandwich) {
      byId('sandwich-name').textContent = '';
      byId('sandwich-numbers').textContent =
        'Choose a function: click it in the table, or select a frame in the graph and press S.';
      return;
    }
    const f = sandwich.function;
    const number = (value, whole) =>
      `${formatValue(value, doc.unit)} (${formatShare(shareOf(value, whole))})`;
    byId('sandwich-name').textContent = context.text.short(this.functions.firstFrame[f]);
    byId('sandwich-numbers').textContent =
      `total ${number(table.total[f], wholes.total)}, self ${number(table.self[f], wholes.total)}, ` +
      (doc.diff ? `old total ${number(table.baseTotal[f], wholes.baseTotal)}, ` : '') +
      `${formatCount(sandwich.sites)} ${sandwich.sites === 1 ? 'place' : 'places'}`;
    if (!sandwich.fresh) {
      this.callers.resize();
      this.callees.resize();
      return;
    }
    sandwich.fresh = false;
    this.callers.show(sandwich.callers);
    this.callees.show(sandwich.callees);
    this.announce(
      `Callers and callees of ${byId('sandwich-name').textContent}, ` +
        byId('sandwich-numbers').textContent,
    );
  }

  async copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.announce('Copied.');
      byId('status').textContent = 'Copied.';
    } catch {
      byId('status').textContent = 'The browser does not allow copying here.';
    }
  }

  announce(text) {
    byId('live').textContent = text;
  }

  markControls() {
    for (const view of ['graph', 'table', 'sandwich']) {
      const on = this.view === view;
      byId(`tab-${view}`).setAttribute('aria-pressed', String(on));
      byId(`view-${view}`).hidden = !on;
    }
    const graph = this.view === 'graph';
    byId('icicle').setAttribute('aria-pressed', String(this.graph.icicle));
    byId('invert').setAttribute('aria-pressed', String(this.invertOn));
    byId('icicle').disabled = byId('invert').disabled = !graph;
  }

  tooNarrow() {
    const panes = this.view === 'sandwich' ? [this.callers, this.callees] : [this.graph];
    let narrow = 0;
    for (const pane of panes) if (pane.tree) narrow += pane.layout.hidden;
    return narrow;
  }

  afterDraw() {
    const panes = this.view === 'sandwich' ? [this.callers, this.callees] : [this.graph];
    byId('reset').disabled = !panes.some((pane) => pane.tree && pane.zoom !== 0);
    const narrow = this.tooNarrow();
    const parts = [];
    if (this.view !== 'table' && narrow > 0) {
      parts.push(
        `${formatCount(narrow)} ${narrow === 1 ? 'frame' : 'frames'} too narrow at this zoom`,
      );
    }
    if (this.doc.pruned.nodes > 0)
      parts.push(`${formatCount(this.doc.pruned.nodes)} left out of the file`);
    if (this.view === 'graph' && this.invertOn && this.inverted.leftOut > 0) {
      parts.push(`${formatCount(this.inverted.leftOut)} rare paths not followed to the root`);
    }
    byId('narrow').textContent = parts.join(' · ');
  }

  drawLegend() {
    const { colors } = this.context;
    const entries = [];
    if (this.doc.diff) {
      const change = (step) => colors.byChange[step].css[0];
      entries.push(
        ['only old', change(ONLY_OLD)],
        ['less', change(0)],
        ['same', change(CHANGE_STEPS)],
        ['more', change(2 * CHANGE_STEPS)],
        ['only new', change(ONLY_NEW)],
      );
    } else {
      const middle = (kind) => colors.byKind[kind * VARIANTS + 6].css[0];
      colors.kinds.forEach((used, kind) => {
        if (used && kind > 0 && kind !== LEFT_OUT) entries.push([KINDS[kind], middle(kind)]);
      });
    }
    byId('legend').replaceChildren(
      ...entries.map(([label, color]) => {
        const entry = document.createElement('span');
        const chip = document.createElement('i');
        chip.style.background = color;
        entry.append(chip, label);
        return entry;
      }),
    );
  }
}
