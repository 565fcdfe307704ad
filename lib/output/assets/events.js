// Pointer, keys and controls.

const SEARCH_DELAY = 150;

function connectPane(viewer, pane) {
  const { canvas, scroller } = pane;
  canvas.addEventListener('pointermove', (event) => {
    const node = pane.nodeAt(event.clientX, event.clientY);
    pane.hover(node);
    if (node < 0 || !viewer.menu.element.hidden) {
      viewer.tooltip.hide();
      return;
    }
    viewer.tooltip.show(pane, node, event.clientX, event.clientY);
    byId('status').textContent = viewer.describe(pane, node);
  });
  canvas.addEventListener('pointerleave', () => {
    pane.hover(-1);
    viewer.tooltip.hide();
  });
  scroller.addEventListener('scroll', () => {
    pane.hover(-1);
    viewer.tooltip.hide();
  });
  canvas.addEventListener('focus', () => {
    viewer.active = pane;
  });
  canvas.addEventListener('click', (event) => {
    const node = pane.nodeAt(event.clientX, event.clientY);
    if (node < 0) return;
    viewer.active = pane;
    if (event.altKey && (node > 0 || pane !== viewer.graph)) {
      viewer.openSandwichOf(pane.tree.frame[node]);
      return;
    }
    viewer.zoom(pane, node);
    viewer.select(pane, node);
  });
  canvas.addEventListener('contextmenu', (event) => {
    const node = pane.nodeAt(event.clientX, event.clientY);
    if (node < 0) return;
    event.preventDefault();
    viewer.active = pane;
    viewer.select(pane, node);
    viewer.tooltip.hide();
    viewer.menu.show(pane, node, event.clientX, event.clientY);
  });
}

function showDialog(id, rows) {
  const dialog = byId(id);
  factList(dialog.querySelector('.facts'), rows);
  if (!dialog.open) dialog.showModal();
}

function connectControls(viewer) {
  const onClick = (id, action) => byId(id).addEventListener('click', action);
  for (const view of ['graph', 'table', 'sandwich'])
    onClick(`tab-${view}`, () => viewer.setView(view));
  onClick('icicle', () => viewer.toggleIcicle());
  onClick('invert', () => viewer.toggleInvert());
  onClick('reset', () => viewer.reset());
  onClick('next', () => viewer.nextMatch(1));
  onClick('previous', () => viewer.nextMatch(-1));
  onClick('theme', () => viewer.toggleTheme());
  onClick('info', () => showDialog('info-dialog', infoRows(viewer)));
  onClick('help', () => showHelp());
  byId('widths').addEventListener('change', (event) => viewer.setWidths(event.target.value));
  const field = byId('search');
  let timer = 0;
  field.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => viewer.setSearch(field.value), SEARCH_DELAY);
  });
  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== 'Escape') return;
    clearTimeout(timer);
    event.stopPropagation();
    if (event.key === 'Escape') {
      viewer.setSearch('');
      focusView(viewer);
      return;
    }
    if (viewer.search.text !== field.value) viewer.setSearch(field.value);
    viewer.nextMatch(event.shiftKey ? -1 : 1);
  });
}

function showHelp() {
  showDialog(
    'help-dialog',
    KEY_HELP.map(([key, text]) => [key, text, true]),
  );
}

function focusView(viewer) {
  if (viewer.view === 'table') byId('table').focus();
  else viewer.active.canvas.focus();
}

function connectKeys(viewer) {
  const selected = () => (viewer.active.selected >= 0 ? viewer.active.selected : -1);
  const actions = {
    '/': () => {
      byId('search').focus();
      byId('search').select();
    },
    '?': showHelp,
    0: () => viewer.reset(),
    Escape: () => viewer.reset(),
    n: () => viewer.nextMatch(1),
    N: () => viewer.nextMatch(-1),
    i: () => viewer.view === 'graph' && viewer.toggleIcicle(),
    v: () => viewer.view === 'graph' && viewer.toggleInvert(),
    d: () => viewer.toggleTheme(),
    g: () => viewer.setView('graph'),
    t: () => viewer.setView('table'),
    w: () => viewer.setView('sandwich'),
    s: () => {
      const node = selected();
      if (node > 0 || (node === 0 && viewer.active !== viewer.graph)) {
        viewer.openSandwichOf(viewer.active.tree.frame[node]);
      }
    },
    Enter: () => {
      if (viewer.view !== 'table' && selected() >= 0) viewer.zoom(viewer.active, selected());
    },
    Backspace: () => {
      const pane = viewer.active;
      if (viewer.view !== 'table' && pane.tree && pane.zoom > 0) {
        viewer.zoom(pane, pane.tree.parent[pane.zoom]);
      }
    },
  };
  document.addEventListener('keydown', (event) => {
    const { target, key } = event;
    const busy = target.closest && target.closest('input, select, dialog, #menu');
    if (busy || event.ctrlKey || event.metaKey || event.altKey) return;
    const pressesButton = target.closest && target.closest('button');
    if (pressesButton && (key === 'Enter' || key === ' ')) return;
    if (key.startsWith('Arrow')) {
      if (viewer.view === 'table' || !viewer.active.tree) return;
      viewer.select(viewer.active, viewer.active.neighbour(key));
      viewer.tooltip.hide();
      event.preventDefault();
      return;
    }
    const folded = /^[A-Z]$/.test(key) && key !== 'N' ? key.toLowerCase() : key;
    if (!Object.hasOwn(actions, folded)) return;
    actions[folded]();
    event.preventDefault();
  });
}

function connect(viewer) {
  for (const pane of [viewer.graph, viewer.callers, viewer.callees]) connectPane(viewer, pane);
  connectControls(viewer);
  connectKeys(viewer);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    if (!viewer.pickedTheme) viewer.applyTheme();
  });
  addEventListener('resize', () => {
    viewer.tooltip.hide();
    requestAnimationFrame(() => viewer.afterDraw());
  });
}
