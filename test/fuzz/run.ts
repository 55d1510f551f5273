// Fuzzing on demand: node test/fuzz/run.ts [--seconds 60] [--seed N] [--target name]
// Prints the seed; a broken invariant is written as a corpus file, stays in the corpus and fails the tests until it
// is mended.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { corpusFolder } from './corpus.ts';
import { fuzz, replayCorpus } from './fuzzer.ts';
import { targets } from './targets.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string' },
    target: { type: 'string' },
  },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const chosen = targets.filter(({ name }) => values.target === undefined || name === values.target);
if (chosen.length === 0) {
  console.error(`fuzz: no such target; there are: ${targets.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const secondsEach = Number(values.seconds) / chosen.length;

let failed = false;
for (const target of chosen) {
  const endMs = performance.now() + secondsEach * 1000;
  const replayed = await replayCorpus(target);
  const { inputs, crasher } =
    replayed === null
      ? await fuzz(target, seed, () => performance.now() >= endMs)
      : { inputs: 0, crasher: replayed };
  console.log(
    `fuzz: ${target.name} seed ${seed}: ${inputs} inputs, ${crasher === null ? 'all hold' : 'BROKEN'}`,
  );
  if (crasher === null) continue;
  failed = true;
  console.error(crasher.error);
  if (replayed !== null) continue;
  const file = join(corpusFolder(target.name), `crasher-${seed}-${inputs}.txt`);
  writeFileSync(file, crasher.entry, 'latin1');
  console.error(`fuzz: the input is in ${file}`);
}
process.exit(failed ? 1 : 0);
