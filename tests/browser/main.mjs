// Runs the cases one after the other and prints TAP.
import { basename } from 'node:path';
import { startBrowser } from './browser.mjs';
import { badDataCases } from './bad_data.test.mjs';
import { numberCases } from './numbers.test.mjs';
import { productCases } from './product.test.mjs';
import { speedCases } from './speed.test.mjs';
import { useCases } from './use.test.mjs';

function readArguments(list) {
  const pages = [];
  for (let i = 0; i < list.length; i++) {
    if (list[i] === '--expect') {
      if (pages.length === 0 || i + 1 === list.length)
        throw new Error('--expect follows a page and takes a file');
      pages.at(-1).expect = list[++i];
    } else if (list[i].startsWith('-')) {
      throw new Error(`unknown option ${list[i]}`);
    } else {
      pages.push({ path: list[i], expect: null });
    }
  }
  return pages;
}

let pages;
try {
  pages = readArguments(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${error.message}\nusage: run [PAGE.html [--expect EXPECTED.json]]...\n`);
  process.exit(2);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

const cases =
  pages.length > 0
    ? pages.flatMap((page) => productCases(page, basename(page.path)))
    : [...numberCases, ...useCases, ...badDataCases, ...speedCases];
const session = await startBrowser();
let failed = 0;
try {
  process.stdout.write(`# Chromium ${session.version}\n1..${cases.length}\n`);
  let number = 0;
  for (const { name, run } of cases) {
    number++;
    const note = (text) => process.stdout.write(`# ${text}\n`);
    try {
      await run(session.browser, note);
      process.stdout.write(`ok ${number} - ${name}\n`);
    } catch (error) {
      failed++;
      const text = String(error.stack || error).replace(/^/gm, '# ');
      process.stdout.write(`not ok ${number} - ${name}\n${text}\n`);
    }
  }
} finally {
  await session.close();
}
process.exit(failed > 0 ? 1 : 0);
