"use strict";
// Validates files against speedscope's JSON schema, then checks what the schema does not say but
// the viewer relies on.
const fs = require("fs");
const Ajv = require("ajv");
const schema = require("speedscope/dist/release/file-format-schema.json");

const validate = new Ajv({ allErrors: true, strict: false }).compile(schema);

function problems(file) {
  const found = [];
  for (const [index, profile] of file.profiles.entries()) {
    const say = (text) => found.push(`profile ${index} (${profile.name}): ${text}`);
    if (profile.type !== "sampled") say(`type ${profile.type}`);
    if (profile.samples.length !== profile.weights.length) say("samples and weights differ in length");
    if (profile.weights.some((weight) => !(weight > 0))) say("a weight is not positive");
    const sum = profile.weights.reduce((a, b) => a + b, 0);
    if (sum !== profile.endValue - profile.startValue) say(`weights add up to ${sum}`);
    const frames = file.shared.frames.length;
    if (profile.samples.some((stack) => stack.some((frame) => !(frame >= 0 && frame < frames))))
      say("a frame index is out of range");
  }
  return found;
}

if (process.argv.length < 3) throw new Error("no files given");
let bad = 0;
for (const path of process.argv.slice(2)) {
  const file = JSON.parse(fs.readFileSync(path, "utf8"));
  const found = validate(file)
    ? problems(file)
    : validate.errors.map((error) => `${error.instancePath}: ${error.message}`);
  for (const text of found) console.error(`${path}: ${text}`);
  if (found.length !== 0) bad += 1;
  else console.log(`${path}: valid, ${file.profiles.length} profiles`);
}
process.exit(bad === 0 ? 0 : 1);
