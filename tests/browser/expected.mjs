// Every number worked out from the list of stacks alone: no tree, nothing shared with the page.

const keyOf = (frame) => `${frame.name}\u0000${frame.module || ''}`;

export function expectedOf({ frames, stacks }) {
  const zero = () => ({ self: 0, total: 0, baselineSelf: 0, baselineTotal: 0 });
  const functions = new Map();
  const prefixes = new Set(['']);
  let total = 0;
  let baselineTotal = 0;
  for (const { path, value = 0, base = 0 } of stacks) {
    total += value;
    baselineTotal += base;
    const keys = path.map((f) => keyOf(frames[f]));
    for (const key of new Set(keys)) {
      if (!functions.has(key)) functions.set(key, zero());
      functions.get(key).total += value;
      functions.get(key).baselineTotal += base;
    }
    functions.get(keys.at(-1)).self += value;
    functions.get(keys.at(-1)).baselineSelf += base;
    path.forEach((_, i) => prefixes.add(path.slice(0, i + 1).join('/')));
  }
  return { total, baselineTotal, functions, nodes: prefixes.size, prefixes };
}

export function functionKey(info) {
  return `${info.name}\u0000${info.module}`;
}

export function expectedSearch({ frames, stacks }, pattern) {
  const matches = (f) => pattern.test(frames[f].name);
  const value = stacks
    .filter(({ path }) => path.some(matches))
    .reduce((sum, stack) => sum + (stack.value || 0), 0);
  const prefixes = new Set();
  for (const { path } of stacks)
    path.forEach((_, i) => prefixes.add(path.slice(0, i + 1).join('/')));
  const nodes = [...prefixes].filter((prefix) => matches(Number(prefix.split('/').at(-1)))).length;
  return { value, nodes };
}

// Who called the outermost call, and what it called, with their values.
export function expectedSandwich({ frames, stacks }, name, module) {
  const callers = new Map();
  const callees = new Map();
  const add = (map, key, value) => map.set(key, (map.get(key) || 0) + value);
  let total = 0;
  for (const { path, value = 0 } of stacks) {
    const at = path.findIndex(
      (f) => frames[f].name === name && (frames[f].module || '') === module,
    );
    if (at < 0) continue;
    total += value;
    if (at > 0) add(callers, frames[path[at - 1]].name, value);
    if (at + 1 < path.length) add(callees, frames[path[at + 1]].name, value);
  }
  return { total, callers, callees };
}
