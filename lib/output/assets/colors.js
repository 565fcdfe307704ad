// Colours. A frame's hue says its kind; module and name move it a little, always the same way, so a
// function looks alike in every graph. A diff colours by change instead. Each colour has a faded
// twin for what is outside of the zoom or does not match the search.

const VARIANTS = 16;
// Hue, saturation, hue spread.
const KIND_COLORS = [
  [220, 10, 6], // unknown
  [8, 80, 9], // native
  [32, 90, 4], // kernel
  [50, 76, 6], // library
  [88, 50, 8], // Java, interpreted
  [132, 46, 10], // Java, compiled
  [166, 44, 7], // Java, inlined
  [208, 68, 10], // Python
  [262, 56, 8], // GPU
  [220, 24, 6], // thread
  [228, 34, 6], // process
  [340, 60, 7], // native, inlined
  [190, 52, 7], // managed
  [240, 26, 6], // label
  [0, 0, 0], // left out
];
const CHANGE_STEPS = 6;
const ONLY_OLD = 2 * CHANGE_STEPS + 1;
const ONLY_NEW = ONLY_OLD + 1;

const THEMES = {
  light: {
    kind: (h, s, v) => [
      `hsl(${h} ${s}% ${70 + v * 0.75}%)`,
      `hsl(${h} ${s * 0.45}% ${88 + v * 0.3}%)`,
    ],
    change: (h, s, amount) => [
      `hsl(${h} ${s}% ${86 - amount * 26}%)`,
      `hsl(${h} ${s * 0.4}% ${93 - amount * 5}%)`,
    ],
    only: {
      old: ['hsl(172 58% 58%)', 'hsl(172 30% 88%)'],
      new: ['hsl(42 96% 58%)', 'hsl(42 60% 88%)'],
    },
    match: ['hsl(292 72% 56%)', 'hsl(292 60% 70%)'],
  },
  dark: {
    kind: (h, s, v) => [
      `hsl(${h} ${s * 0.6}% ${32 + v * 0.7}%)`,
      `hsl(${h} ${s * 0.25}% ${19 + v * 0.2}%)`,
    ],
    change: (h, s, amount) => [
      `hsl(${h} ${s * 0.75}% ${27 + amount * 17}%)`,
      `hsl(${h} ${s * 0.3}% ${18 + amount * 4}%)`,
    ],
    only: {
      old: ['hsl(172 60% 28%)', 'hsl(172 25% 18%)'],
      new: ['hsl(38 85% 36%)', 'hsl(38 35% 19%)'],
    },
    match: ['hsl(292 62% 46%)', 'hsl(292 45% 34%)'],
  },
};

function hashText(text) {
  let h = 0x811c9dc5;
  const length = Math.min(text.length, 64);
  for (let i = 0; i < length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}

// A CSS colour (#rrggbb or hsl) as a pixel of image data on a little-endian machine.
function pixelOf(css) {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(css);
  if (hex) return packPixel(...hex.slice(1).map((part) => parseInt(part, 16)));
  const [h, s, l] = css.match(/[\d.]+/g).map(Number);
  const reach = (s / 100) * Math.min(l / 100, 1 - l / 100);
  const channel = (n) => {
    const k = (n + h / 30) % 12;
    return Math.round(255 * (l / 100 - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return packPixel(channel(0), channel(8), channel(4));
}

function packPixel(red, green, blue) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

// [plain, faded] in both forms: CSS for elements, pixels for the canvas.
function shade(css) {
  return { css, pixel: css.map(pixelOf) };
}

function kindPalette(theme) {
  const colors = [];
  for (const [hue, saturation, spread] of KIND_COLORS) {
    for (let v = 0; v < VARIANTS; v++) {
      const turn = ((v >> 2) / 3) * 2 - 1;
      const turned = Math.round(hue + turn * spread + 360) % 360;
      colors.push(shade(theme.kind(turned, saturation, (v & 3) * 2.6 - 3.9)));
    }
  }
  return colors;
}

function changePalette(theme) {
  const colors = [];
  for (let step = -CHANGE_STEPS; step <= CHANGE_STEPS; step++) {
    const amount = Math.abs(step) / CHANGE_STEPS;
    const css = step === 0 ? theme.change(40, 8, 0) : theme.change(step > 0 ? 6 : 214, 78, amount);
    colors.push(shade(css));
  }
  colors.push(shade(theme.only.old), shade(theme.only.new));
  return colors;
}

class FrameColors {
  constructor(doc) {
    this.names = doc.names;
    this.frames = doc.frames;
    this.index = new Int16Array(doc.frames.count).fill(-1);
    this.kinds = new Uint8Array(KIND_COLORS.length);
    for (let f = 0; f < doc.frames.count; f++) this.kinds[this.kindOf(f)] = 1;
    this.setTheme('light');
  }

  setTheme(name) {
    const theme = THEMES[name];
    this.match = shade(theme.match);
    this.byKind = kindPalette(theme);
    this.byChange = changePalette(theme);
  }

  kindOf(frame) {
    const kind = this.frames.kind[frame];
    return kind < KIND_COLORS.length ? kind : 0;
  }

  ofFrame(frame) {
    let i = this.index[frame];
    if (i < 0) {
      const module = this.names[this.frames.module[frame]] || '';
      const name = this.names[this.frames.name[frame]];
      const variant = (hashText(module || name.slice(0, 12)) % 4) * 4 + (hashText(name) % 4);
      i = this.index[frame] = this.kindOf(frame) * VARIANTS + variant;
    }
    return this.byKind[i];
  }

  ofChange(value, base) {
    return this.byChange[changeStep(value, base)];
  }
}

function changeStep(value, base) {
  if (base === 0 && value !== 0) return ONLY_NEW;
  if (value === 0 && base !== 0) return ONLY_OLD;
  const larger = Math.max(Math.abs(value), Math.abs(base));
  if (larger === 0 || value === base) return CHANGE_STEPS;
  const change = Math.max(-1, Math.min(1, (value - base) / larger));
  const step = Math.sign(change) * Math.max(1, Math.round(Math.abs(change) * CHANGE_STEPS));
  return step + CHANGE_STEPS;
}
