// Functions (name and module) over the frames: the flat table with recursion counted once, and the
// places where a function is outermost.

function groupFunctions(frames, nameCount) {
  const ids = new Map();
  const ofFrame = new Int32Array(frames.count);
  const firstFrame = [];
  for (let f = 0; f < frames.count; f++) {
    const key = frames.name[f] * nameCount + frames.module[f];
    let id = ids.get(key);
    if (id === undefined) {
      id = firstFrame.length;
      firstFrame.push(f);
      ids.set(key, id);
    }
    ofFrame[f] = id;
  }
  return { count: firstFrame.length, ofFrame, firstFrame: Int32Array.from(firstFrame) };
}

// One pass in preorder. `active` counts how often a function stands on the path from the root, so
// only the outermost of nested calls adds its total. A tree that was written inverted has the
// running functions at depth 1, and their totals are the self values.
function functionTable(tree, functions, inverted) {
  const { count, frame, depth, self, total, baseSelf, baseTotal } = tree;
  const column = () => new Float64Array(functions.count);
  const table = {
    self: column(),
    total: column(),
    nodes: new Int32Array(functions.count),
    baseSelf: tree.diff ? column() : null,
    baseTotal: tree.diff ? column() : null,
    present: null,
  };
  const active = new Int32Array(functions.count);
  const path = new Int32Array(tree.maxDepth + 2);
  let top = 0;
  for (let i = 1; i < count; i++) {
    const d = depth[i];
    while (top >= d) active[path[top--]]--;
    const f = functions.ofFrame[frame[i]];
    path[++top] = f;
    table.nodes[f]++;
    const outermost = active[f]++ === 0;
    if (outermost) table.total[f] += total[i];
    if (!inverted) table.self[f] += self[i];
    else if (d === 1) table.self[f] += total[i];
    if (tree.diff) {
      if (outermost) table.baseTotal[f] += baseTotal[i];
      if (!inverted) table.baseSelf[f] += baseSelf[i];
      else if (d === 1) table.baseSelf[f] += baseTotal[i];
    }
  }
  const present = [];
  for (let f = 0; f < functions.count; f++) if (table.nodes[f] > 0) present.push(f);
  table.present = Int32Array.from(present);
  return table;
}

function outermostNodes(tree, functions, id) {
  const sites = [];
  for (let i = 1; i < tree.count;) {
    if (functions.ofFrame[tree.frame[i]] === id) {
      sites.push(i);
      i = tree.end[i];
    } else {
      i++;
    }
  }
  return sites;
}
