// Values and names as text. Names come from the profiled program and may hold anything.

const KINDS = [
  'unknown',
  'native',
  'kernel',
  'library',
  'Java, interpreted',
  'Java, compiled',
  'Java, inlined',
  'Python',
  'GPU',
  'thread',
  'process',
  'native, inlined',
  'managed',
  'label',
  'left out',
];
const LEFT_OUT = 14;

const UNIT_STEPS = {
  nanoseconds: [
    [1, 'ns'],
    [1e3, 'µs'],
    [1e6, 'ms'],
    [1e9, 's'],
  ],
  microseconds: [
    [1, 'µs'],
    [1e3, 'ms'],
    [1e6, 's'],
  ],
  bytes: [
    [1, 'B'],
    [2 ** 10, 'KiB'],
    [2 ** 20, 'MiB'],
    [2 ** 30, 'GiB'],
    [2 ** 40, 'TiB'],
  ],
};
const wholeNumber = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const twoDigits = new Intl.NumberFormat('en-US', {
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
});

function formatCount(value) {
  return wholeNumber.format(value);
}

function formatValue(value, unit) {
  const steps = Object.hasOwn(UNIT_STEPS, unit) ? UNIT_STEPS[unit] : null;
  if (!steps)
    return unit === 'count' ? formatCount(value) : `${formatCount(value)} ${clip(unit, 24)}`;
  let step = steps[0];
  for (const candidate of steps) if (Math.abs(value) >= candidate[0]) step = candidate;
  const number = step[0] === 1 ? wholeNumber : twoDigits;
  return `${number.format(value / step[0])} ${step[1]}`;
}

function formatChange(value, unit) {
  return (value > 0 ? '+' : '') + formatValue(value, unit);
}

function shareOf(value, whole) {
  return whole !== 0 ? value / whole : 0;
}

function formatShare(share) {
  const percent = share * 100;
  if (percent !== 0 && Math.abs(percent) < 0.01) return percent > 0 ? '<0.01%' : '>-0.01%';
  return `${percent.toFixed(2)}%`;
}

// Controls, direction marks and other invisible characters would change or hide the text around
// them. Joiners stay: scripts and emoji need them.
const INVISIBLE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

function visible(text) {
  return text.replace(INVISIBLE, (c) => `\\u{${c.charCodeAt(0).toString(16).padStart(4, '0')}}`);
}

function clip(text, length) {
  if (text.length <= length) return visible(text);
  let cut = length;
  const last = text.charCodeAt(cut - 1);
  if (last >= 0xd800 && last <= 0xdbff) cut--;
  return `${visible(text.slice(0, cut))}… (${formatCount(text.length)} characters)`;
}

function baseName(path) {
  return path.slice(path.lastIndexOf('/') + 1);
}

class FrameText {
  constructor(names, frames) {
    this.names = names;
    this.frames = frames;
    this.cache = new Map();
  }

  // Cached and cut: what a box, a row or a sentence can hold of a name.
  short(frame) {
    const id = this.frames.name[frame];
    let text = this.cache.get(id);
    if (text === undefined) {
      const name = this.names[id];
      text = name === '' ? '(no name)' : visible(name.length > 400 ? name.slice(0, 400) : name);
      if (this.cache.size > 200000) this.cache.clear();
      this.cache.set(id, text);
    }
    return text;
  }

  name(frame) {
    return clip(this.names[this.frames.name[frame]], 1200) || '(no name)';
  }

  module(frame) {
    return clip(this.names[this.frames.module[frame]] || '', 400);
  }

  place(frame) {
    const file = clip(this.names[this.frames.file[frame]] || '', 400);
    const line = this.frames.line[frame];
    return file && line > 0 ? `${file}:${line}` : file;
  }

  kind(frame) {
    return KINDS[this.frames.kind[frame]] || KINDS[0];
  }
}
