// Tooltip, frame menu and the two dialogs. Text from the data goes in through textContent only.

const byId = (id) => document.getElementById(id);

function factList(container, rows) {
  const list = document.createElement('dl');
  list.className = 'facts';
  list.style.margin = '0';
  for (const [key, value, code] of rows) {
    const dt = document.createElement('dt');
    const dd = document.createElement('dd');
    if (code) {
      const keys = document.createElement('kbd');
      keys.textContent = key;
      dt.append(keys);
    } else {
      dt.textContent = key;
    }
    dd.textContent = value;
    list.append(dt, dd);
  }
  container.replaceChildren(list);
}

// Numbers of one node, as rows of [label, text].
function nodeFacts(viewer, pane, node) {
  const { unit, wholes, text, doc } = viewer.context;
  const { tree, layout } = pane;
  const frame = tree.frame[node];
  const view = layout.zoom;
  const withShare = (value, whole) =>
    `${formatValue(value, unit)}  (${formatShare(shareOf(value, whole))})`;
  const rows = [];
  if (tree.diff) {
    rows.push(
      ['Total, old', withShare(tree.baseTotal[node], wholes.baseTotal)],
      ['Total, new', withShare(tree.total[node], wholes.total)],
      ['Change', changeText(tree.total[node], tree.baseTotal[node], unit)],
      ['Self, old', withShare(tree.baseSelf[node], wholes.baseTotal)],
      ['Self, new', withShare(tree.self[node], wholes.total)],
    );
  } else {
    rows.push(
      ['Total', withShare(tree.total[node], wholes.total)],
      ['Self', withShare(tree.self[node], wholes.total)],
    );
  }
  if (view !== 0)
    rows.push(['Of this view', formatShare(shareOf(tree.total[node], tree.total[view]))]);
  const place = text.place(frame);
  const module = text.module(frame);
  if (place) rows.push(['Source', place]);
  if (module) rows.push(['Module', module]);
  if (node > 0 || doc.frames.kind[frame] > 0) rows.push(['Kind', text.kind(frame)]);
  return rows;
}

function changeText(value, base, unit) {
  if (base === 0 && value !== 0) return `${formatChange(value, unit)}, only in new`;
  if (value === 0 && base !== 0) return `${formatChange(value - base, unit)}, only in old`;
  const share = shareOf(value - base, Math.abs(base));
  return `${formatChange(value - base, unit)}  (${share > 0 ? '+' : ''}${formatShare(share)})`;
}

class Tooltip {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = byId('tooltip');
    this.name = document.createElement('div');
    this.name.className = 'name';
    this.facts = document.createElement('div');
    this.element.append(this.name, this.facts);
    this.node = -1;
    this.pane = null;
  }

  show(pane, node, x, y) {
    if (node !== this.node || pane !== this.pane) {
      this.name.textContent = this.viewer.context.text.name(pane.tree.frame[node]);
      factList(this.facts, nodeFacts(this.viewer, pane, node));
      this.node = node;
      this.pane = pane;
    }
    this.element.hidden = false;
    const { offsetWidth, offsetHeight } = this.element;
    const left = Math.min(x + 14, innerWidth - offsetWidth - 8);
    const below = y + 18 + offsetHeight < innerHeight;
    this.element.style.left = `${Math.max(4, left)}px`;
    this.element.style.top = `${Math.max(4, below ? y + 18 : y - offsetHeight - 12)}px`;
  }

  hide() {
    this.element.hidden = true;
    this.node = -1;
  }
}

class FrameMenu {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = byId('menu');
    this.element.addEventListener('keydown', (event) => {
      const items = [...this.element.children];
      const at = items.indexOf(document.activeElement);
      if (event.key === 'ArrowDown') items[(at + 1) % items.length].focus();
      else if (event.key === 'ArrowUp') items[(at + items.length - 1) % items.length].focus();
      else if (event.key === 'Escape' || event.key === 'Tab') this.hide();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    document.addEventListener('pointerdown', (event) => {
      if (!this.element.contains(event.target)) this.hide();
    });
  }

  show(pane, node, x, y) {
    const { viewer } = this;
    const frame = pane.tree.frame[node];
    const rawName = viewer.doc.names[viewer.doc.frames.name[frame]];
    const items = [
      ['Zoom to this frame', () => viewer.zoom(pane, node)],
      ['Search for this name', () => viewer.setSearch(`^${escapePattern(rawName)}$`)],
      ['Copy the name', () => viewer.copy(rawName)],
    ];
    if (node > 0 || pane !== viewer.graph) {
      items.splice(1, 0, ['Callers and callees', () => viewer.openSandwichOf(frame)]);
    }
    this.element.replaceChildren(
      ...items.map(([label, action]) => {
        const button = document.createElement('button');
        button.type = 'button';
        button.setAttribute('role', 'menuitem');
        button.textContent = label;
        button.addEventListener('click', () => {
          this.hide();
          action();
        });
        return button;
      }),
    );
    this.element.hidden = false;
    const { offsetWidth, offsetHeight } = this.element;
    this.element.style.left = `${Math.min(x, innerWidth - offsetWidth - 6)}px`;
    this.element.style.top = `${Math.min(y, innerHeight - offsetHeight - 6)}px`;
    this.element.firstChild.focus();
  }

  hide() {
    this.element.hidden = true;
  }
}

function escapePattern(text) {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

const KEY_HELP = [
  ['← → ↑ ↓', 'Move to the neighbour, caller or callee'],
  ['Enter', 'Zoom to the selected frame'],
  ['Escape  0', 'Show everything'],
  ['Backspace', 'Zoom out by one frame'],
  ['/', 'Search by regular expression'],
  ['N  Shift+N', 'Next match, previous match'],
  ['S', 'Callers and callees of the selected frame'],
  ['I', 'Icicle (root on top) or flame (root at the bottom)'],
  ['V', 'Invert: bottom-up from the running functions'],
  ['G  T  W', 'Graph, table, sandwich'],
  ['D', 'Light or dark'],
  ['?', 'These keys'],
  ['Click', 'Zoom; Alt+click or the right button for callers and callees'],
];

function infoRows(viewer) {
  const { doc, base, wholes } = viewer;
  const rows = [['Title', visible(doc.title)]];
  if (doc.type) rows.push(['Type', visible(doc.type)]);
  rows.push(['Unit', visible(doc.unit)]);
  if (doc.diff) rows.push(['Total, old', formatValue(wholes.baseTotal, doc.unit)]);
  rows.push([doc.diff ? 'Total, new' : 'Total', formatValue(wholes.total, doc.unit)]);
  if (doc.diff)
    rows.push(['Compared', doc.normalised ? 'scaled to the same total' : 'as measured']);
  rows.push(
    ['Nodes', formatCount(base.count)],
    ['Depth', formatCount(base.maxDepth)],
    ['Functions', formatCount(viewer.functions.count - 1)],
  );
  if (doc.pruned.nodes > 0) {
    rows.push([
      'Left out',
      `${formatCount(doc.pruned.nodes)} narrow nodes, ` +
        `${formatValue(doc.pruned.value, doc.unit)}`,
    ]);
  }
  for (const warning of viewer.warnings) rows.push(['Note', warning]);
  for (const [key, value] of doc.meta) rows.push([clip(key, 80), clip(value, 4000)]);
  return rows;
}
