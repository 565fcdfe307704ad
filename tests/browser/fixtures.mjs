// Synthetic profiles. Small ones are lists of stacks, from which the test works out every number on
// its own, without a tree; large ones are made straight as preorder columns from a seeded
// generator.

export function randomSource(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// stacks: [{ path: [frame id, ...] without the root, value, base }]
export function treeOfStacks(stacks, diff) {
  const make = (frame) => ({ frame, self: 0n, base: 0n, children: new Map() });
  const root = make(0);
  for (const { path, value, base } of stacks) {
    let node = root;
    for (const frame of path) {
      if (!node.children.has(frame)) node.children.set(frame, make(frame));
      node = node.children.get(frame);
    }
    node.self += BigInt(value || 0);
    node.base += BigInt(base || 0);
  }
  const tree = { depth: [], frame: [], self: [], ...(diff ? { base: [] } : {}) };
  const open = [[root, 0]];
  while (open.length > 0) {
    const [node, depth] = open.pop();
    tree.depth.push(depth);
    tree.frame.push(node.frame);
    tree.self.push(node.self);
    if (diff) tree.base.push(node.base);
    for (const child of [...node.children.values()].reverse()) open.push([child, depth + 1]);
  }
  return tree;
}

const SERVER_FRAMES = [
  { name: 'all' },
  { name: 'main', file: 'server/main.cc', module: '/usr/bin/server', line: 41, kind: 1 },
  {
    name: 'net::EventLoop::run()',
    file: 'net/loop.cc',
    module: '/usr/bin/server',
    line: 118,
    kind: 1,
  },
  {
    name: 'http::Parser::feed(std::string_view)',
    file: 'http/parser.cc',
    module: '/usr/bin/server',
    line: 77,
    kind: 1,
  },
  {
    name: 'json::Value::parse(json::Reader&)',
    file: 'json/value.cc',
    module: '/usr/bin/server',
    line: 203,
    kind: 1,
  },
  {
    name: 'json::Reader::peek()',
    file: 'json/reader.hh',
    module: '/usr/bin/server',
    line: 19,
    kind: 11,
  },
  { name: 'memcpy', module: '/lib/x86_64-linux-gnu/libc.so.6', kind: 3 },
  { name: 'malloc', module: '/lib/x86_64-linux-gnu/libc.so.6', kind: 3 },
  { name: 'epoll_wait', module: '/lib/x86_64-linux-gnu/libc.so.6', kind: 3 },
  { name: 'do_syscall_64', module: '[kernel]', kind: 2 },
  { name: 'ep_poll', module: '[kernel]', kind: 2 },
  { name: 'tcp_sendmsg', module: '[kernel]', kind: 2 },
  { name: 'com.shop.Cart.total', file: 'Cart.java', module: 'shop.jar', line: 88, kind: 5 },
  { name: 'com.shop.Price.of', file: 'Price.java', module: 'shop.jar', line: 12, kind: 6 },
  { name: 'com.shop.Startup.load', file: 'Startup.java', module: 'shop.jar', line: 30, kind: 4 },
  { name: 'render_template', file: 'views.py', module: 'views', line: 9, kind: 7 },
  { name: 'jinja2.compile', file: 'compiler.py', module: 'jinja2', line: 450, kind: 7 },
  { name: 'matmul_kernel', module: 'gpu', kind: 8 },
  { name: 'worker-1', kind: 9 },
  { name: 'worker-2', kind: 9 },
  {
    name: 'db::Cursor::next()',
    file: 'db/cursor.cc',
    module: '/usr/lib/libdb.so',
    line: 64,
    kind: 1,
  },
  {
    name: 'db::Page::read(unsigned long)',
    file: 'db/page.cc',
    module: '/usr/lib/libdb.so',
    line: 144,
    kind: 1,
  },
  { name: 'pread64', module: '/lib/x86_64-linux-gnu/libc.so.6', kind: 3 },
  { name: 'memcpy', module: '/usr/lib/libdb.so', kind: 3 },
];

const SERVER_PATHS = [
  [18, 1, 2, 8, 9, 10],
  [18, 1, 2, 3],
  [18, 1, 2, 3, 6],
  [18, 1, 2, 3, 4],
  [18, 1, 2, 3, 4, 5],
  [18, 1, 2, 3, 4, 4, 5],
  [18, 1, 2, 3, 4, 4, 4, 7],
  [18, 1, 2, 3, 4, 4, 6],
  [18, 1, 2, 20, 21, 22, 9],
  [18, 1, 2, 20, 21],
  [18, 1, 2, 20, 23],
  [18, 1, 2, 9, 11],
  [18, 12],
  [18, 12, 13],
  [18, 12, 13, 7],
  [18, 14],
  [19, 15],
  [19, 15, 16],
  [19, 15, 16, 7],
  [19, 15, 16, 16, 6],
  [19, 17],
  [19, 12, 13],
  [19, 12],
  [19, 2, 3, 4],
  [19, 2, 3, 4, 7],
];

export function serverProfile(diff) {
  const random = randomSource(7);
  const stacks = SERVER_PATHS.map((path) => ({ path, value: 1000 + Math.floor(random() * 4e9) }));
  if (diff) {
    stacks.forEach((stack, i) => {
      stack.base = i % 7 === 3 ? 0 : Math.floor(stack.value * (0.4 + random() * 1.4));
      if (i % 7 === 5) stack.value = 0;
    });
    stacks[0].base = stacks[0].value;
  }
  return { frames: SERVER_FRAMES, stacks, tree: treeOfStacks(stacks, diff) };
}

export const HOSTILE_NAMES = [
  '</script><img src=x onerror="window.hacked=1">',
  '<!-- <script>window.hacked=1</script>',
  '\u202egnp.exe\u202c right to left \u200f',
  '👩‍💻 emoji 🇩🇪 👍🏽 naïve 名前が長い関数',
  `long_${'x'.repeat(10236)}`,
  "');window.hacked=1;//",
  '@DATA@ /*@JS@*/ @TITLE@ $& $1 ${window.hacked=1}',
  'line\nbreak\tand\u0000nul\u0007',
  '\ud800 lone surrogate',
  '&lt;b&gt;&amp;',
  '',
];

export function hostileProfile() {
  const frames = [
    { name: 'all' },
    ...HOSTILE_NAMES.map((name) => ({ name, module: name, file: name, line: 1, kind: 1 })),
  ];
  const stacks = HOSTILE_NAMES.map((_, i) => ({ path: [i + 1], value: 1000 + i }));
  stacks.push({ path: HOSTILE_NAMES.map((_, i) => i + 1), value: 5000 });
  return { frames, stacks, tree: treeOfStacks(stacks, false) };
}

function manyFrames(count) {
  const frames = [{ name: 'all' }];
  const kinds = [1, 1, 1, 1, 3, 5, 6, 2, 11];
  for (let i = 1; i < count; i++) {
    frames.push({
      name: `app::module_${i % 97}::Type${i % 1013}::method_${i}(int, char const*)`,
      file: `src/module_${i % 97}/type${i % 1013}.cc`,
      module: `/opt/app/lib/libmodule_${i % 23}.so`,
      line: (i * 7) % 2000,
      kind: kinds[i % kinds.length],
    });
  }
  return frames;
}

// A tree of about natural shape: each node shares out its nodes and its value among a few children.
export function largeProfile(nodes, frameCount = 120000) {
  const random = randomSource(42);
  const frames = manyFrames(frameCount);
  const tree = { depth: [], frame: [], self: [] };
  const open = [{ depth: 0, budget: nodes, value: 4e12, frame: 0 }];
  while (open.length > 0) {
    const { depth, budget, value, frame } = open.pop();
    tree.depth.push(depth);
    tree.frame.push(frame);
    let left = budget - 1;
    let rest = value;
    const at = open.length;
    const most = depth > 90 ? left : 1 + Math.floor(random() ** 3 * 9);
    for (let c = 0; c < most && left > 0; c++) {
      const last = c === most - 1;
      const share = last ? 1 : random() ** 0.7;
      const size = Math.max(1, last ? left : Math.floor(left * share));
      const worth = Math.floor(rest * (last ? 0.93 : share * 0.93));
      const pick = random();
      open.push({
        depth: depth + 1,
        budget: size,
        value: worth,
        frame: 1 + Math.floor((pick < 0.5 ? random() ** 6 : random()) * (frameCount - 1)),
      });
      left -= size;
      rest -= worth;
    }
    tree.self.push(left > 0 || open.length === at ? rest : Math.floor(rest));
    for (let a = at, b = open.length - 1; a < b; a++, b--) [open[a], open[b]] = [open[b], open[a]];
  }
  return { frames, tree };
}

export function wideProfile(nodes) {
  const frames = manyFrames(1000);
  const tree = { depth: [0], frame: [0], self: [0] };
  for (let i = 1; i < nodes; i++) {
    tree.depth.push(1);
    tree.frame.push(1 + (i % 999));
    tree.self.push(i % 5000 === 0 ? 40000 : 1);
  }
  return { frames, tree };
}

export function deepProfile(nodes) {
  const frames = manyFrames(50);
  const tree = { depth: [], frame: [], self: [] };
  for (let i = 0; i < nodes; i++) {
    tree.depth.push(i);
    tree.frame.push(i === 0 ? 0 : 1 + (i % 49));
    tree.self.push(1);
  }
  return { frames, tree };
}

// The worst case for drawing: `columns` stacks side by side, each of its own frames and just wide
// enough to show.
export function denseProfile(nodes, columns) {
  const frames = manyFrames(20000);
  const tree = { depth: [0], frame: [0], self: [0] };
  const levels = Math.floor((nodes - 1) / columns);
  for (let c = 0; c < columns; c++) {
    for (let d = 1; d <= levels; d++) {
      tree.depth.push(d);
      tree.frame.push(1 + ((c * 131 + d * 17) % 19999));
      tree.self.push(d === levels ? 1000 : 1);
    }
  }
  return { frames, tree };
}
