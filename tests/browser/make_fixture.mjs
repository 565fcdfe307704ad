// node make_fixture.mjs KIND OUT.html: writes one of the test pages, to look at or to measure.
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import {
  deepProfile,
  denseProfile,
  hostileProfile,
  HOSTILE_NAMES,
  largeProfile,
  serverProfile,
  wideProfile,
} from './fixtures.mjs';
import { makeDocument, pageOf } from './page.mjs';

export const fixtures = {
  server() {
    const { frames, tree } = serverProfile(false);
    return makeDocument(
      { document: { title: 'server --threads 8', subtitle: 'cpu, 60 s' } },
      frames,
      tree,
    );
  },
  diff() {
    const { frames, tree } = serverProfile(true);
    return makeDocument(
      {
        deflate: true,
        document: { title: 'release 1.4 → 1.5', subtitle: 'cpu' },
      },
      frames,
      tree,
    );
  },
  hostile() {
    const { frames, tree } = hostileProfile();
    return makeDocument(
      {
        document: {
          title: HOSTILE_NAMES[0],
          subtitle: HOSTILE_NAMES[1],
          type: HOSTILE_NAMES[2],
          meta: HOSTILE_NAMES.map((name) => [name, name]),
          unit: '</script>',
        },
      },
      frames,
      tree,
    );
  },
  large() {
    const { frames, tree } = largeProfile(1000000);
    return makeDocument({ deflate: true, document: { title: 'One million nodes' } }, frames, tree);
  },
  wide() {
    const { frames, tree } = wideProfile(1000000);
    return makeDocument({ document: { title: 'One million siblings' } }, frames, tree);
  },
  dense() {
    const { frames, tree } = denseProfile(1000000, 2000);
    return makeDocument(
      { deflate: true, document: { title: 'Two thousand full columns' } },
      frames,
      tree,
    );
  },
  deep() {
    const { frames, tree } = deepProfile(200000);
    return makeDocument({ document: { title: 'Two hundred thousand levels' } }, frames, tree);
  },
};

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [kind, out] = process.argv.slice(2);
  if (!Object.hasOwn(fixtures, kind || '') || !out) {
    process.stderr.write(`usage: make_fixture.mjs ${Object.keys(fixtures).join('|')} OUT.html\n`);
    process.exit(2);
  }
  writeFileSync(out, pageOf(fixtures[kind]()));
}
