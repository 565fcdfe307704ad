// window.profcore: what a test or a host page can ask and do. The README lists it; nothing in the
// page uses it.

function makeHook(viewer, times) {
  const { doc, base, functions } = viewer;
  const panes = { graph: viewer.graph, callers: viewer.callers, callees: viewer.callees };
  const frameInfo = (frame) => ({
    name: doc.names[doc.frames.name[frame]],
    module: doc.names[doc.frames.module[frame]],
    file: doc.names[doc.frames.file[frame]],
    line: doc.frames.line[frame],
    kind: doc.frames.kind[frame],
  });
  const nodeInfo = (tree, node) => {
    if (!tree || !Number.isInteger(node) || node < 0 || node >= tree.count) return null;
    const children = [];
    for (let c = node + 1; c < tree.end[node] && children.length < 1000; c = tree.end[c])
      children.push(c);
    return {
      node,
      parent: tree.parent[node],
      depth: tree.depth[node],
      ...frameInfo(tree.frame[node]),
      self: tree.self[node],
      total: tree.total[node],
      children,
      ...(tree.diff
        ? { baselineSelf: tree.baseSelf[node], baselineTotal: tree.baseTotal[node] }
        : {}),
    };
  };
  const functionInfo = (f) => {
    const { table } = viewer;
    return {
      function: f,
      ...frameInfo(functions.firstFrame[f]),
      nodes: table.nodes[f],
      self: table.self[f],
      total: table.total[f],
      ...(doc.diff ? { baselineSelf: table.baseSelf[f], baselineTotal: table.baseTotal[f] } : {}),
    };
  };
  const find = (name, module) => {
    viewer.needTable();
    return Array.from(viewer.table.present).filter((f) => {
      const info = frameInfo(functions.firstFrame[f]);
      return info.name === name && (module === undefined || info.module === module);
    });
  };
  const pane = (name) => panes[name || 'graph'];
  const searchResult = () => ({
    error: viewer.search.error,
    ...viewer.search.result,
    share: shareOf(viewer.search.result.value, viewer.wholes.total),
  });
  return {
    version: FORMAT_VERSION,
    stats: () => ({
      nodes: base.count,
      frames: doc.frames.count,
      names: doc.names.length,
      functions: functions.count,
      total: viewer.wholes.total,
      baselineTotal: viewer.wholes.baseTotal,
      sum: base.total[0],
      maxDepth: base.maxDepth,
      unit: doc.unit,
      diff: doc.diff,
      inverted: doc.inverted,
      pruned: doc.pruned,
      warnings: viewer.warnings.slice(),
      boxes: viewer.graph.layout.node.length,
      rows: viewer.graph.layout.rowCount,
      tooNarrow: viewer.graph.layout.hidden,
      drawnBoxes: viewer.graph.drawnBoxes,
    }),
    state: () => ({
      view: viewer.view,
      icicle: viewer.graph.icicle,
      inverted: viewer.invertOn,
      theme: viewer.theme,
      widths: viewer.widthMode,
      zoom: viewer.graph.zoom,
      selected: viewer.active.selected,
      search: viewer.search.text,
      treeNodes: viewer.graph.tree.count,
      leftOut: viewer.graph.tree.leftOut,
    }),
    node: (id, name) => nodeInfo(pane(name).tree, id),
    nodeAt: (x, y, name) => pane(name).nodeAt(x, y),
    rectOf: (id, name) => pane(name).rectOf(id),
    zoomTo: (id, name) => viewer.zoom(pane(name), id),
    reset: () => viewer.reset(),
    setView: (view) => viewer.setView(view),
    setIcicle: (on) => on !== viewer.graph.icicle && viewer.toggleIcicle(),
    setInverted: (on) => on !== viewer.invertOn && viewer.toggleInvert(),
    setWidths: (mode) => viewer.setWidths(mode),
    search(text) {
      viewer.setSearch(text);
      return searchResult();
    },
    get matchedShare() {
      return searchResult().share;
    },
    functions(limit = Infinity) {
      viewer.needTable();
      return Array.from(viewer.table.present.slice(0, limit), functionInfo);
    },
    find: (name, module) => find(name, module).map(functionInfo),
    tableRows(limit = 100) {
      viewer.needTable();
      return Array.from(viewer.functionView.order.slice(0, limit), functionInfo);
    },
    sandwich(name, module) {
      const [f] = find(name, module);
      if (f === undefined) return null;
      viewer.openSandwich(f);
      const { sandwich } = viewer;
      return {
        sites: sandwich.sites,
        callers: nodeInfo(sandwich.callers, 0),
        callees: nodeInfo(sandwich.callees, 0),
        callerNodes: sandwich.callers.count,
        calleeNodes: sandwich.callees.count,
      };
    },
    timings: () => ({ ...times, ...viewer.times, ...viewer.graph.times }),
  };
}
