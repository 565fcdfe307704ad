// Regular-expression search. Each distinct name is tried once; nodes are then matched by a flag per
// frame.

class Search {
  constructor(doc) {
    this.names = doc.names;
    this.frames = doc.frames;
    this.flags = null;
    this.clear();
  }

  clear() {
    this.text = '';
    this.error = '';
    this.flags = null;
    this.result = { names: 0, nodes: 0, outermost: 0, value: 0, baseValue: 0 };
  }

  get active() {
    return this.flags !== null;
  }

  // Without a capital letter the case does not matter.
  run(text, tree) {
    this.clear();
    if (text === '') return;
    this.text = text;
    let pattern;
    try {
      pattern = new RegExp(text, /\p{Lu}/u.test(text.replace(/\\./g, '')) ? 'u' : 'iu');
    } catch {
      try {
        pattern = new RegExp(text, /[A-Z]/.test(text.replace(/\\./g, '')) ? '' : 'i');
      } catch (error) {
        this.error = error.message;
        return;
      }
    }
    const { names, frames, result } = this;
    const state = new Uint8Array(names.length);
    const flags = new Uint8Array(frames.count);
    for (let f = 0; f < frames.count; f++) {
      const id = frames.name[f];
      if (state[id] === 0) {
        state[id] = pattern.test(names[id]) ? 2 : 1;
        if (state[id] === 2) result.names++;
      }
      flags[f] = state[id] - 1;
    }
    this.flags = flags;
    this.count(tree);
  }

  // A match below a match adds no value of its own.
  count(tree) {
    const { flags, result } = this;
    let inside = 0;
    for (let i = 0; i < tree.count; i++) {
      if (!flags[tree.frame[i]]) continue;
      result.nodes++;
      if (i < inside) continue;
      inside = tree.end[i];
      result.outermost++;
      result.value += tree.total[i];
      if (tree.diff) result.baseValue += tree.baseTotal[i];
    }
  }

  matches(frame) {
    return this.flags !== null && this.flags[frame] === 1;
  }

  // The next matching node in the given direction, around the end; -1 when there is none.
  next(tree, from, step) {
    if (!this.active) return -1;
    let i = from;
    for (let k = 0; k < tree.count; k++) {
      i += step;
      if (i >= tree.count) i = 0;
      if (i < 0) i = tree.count - 1;
      if (this.flags[tree.frame[i]]) return i;
    }
    return -1;
  }
}
