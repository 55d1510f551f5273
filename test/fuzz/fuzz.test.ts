// The kept corpus and some hundreds of seeded mutations per target, on every run of the tests; for longer runs with
// other seeds: node test/fuzz/run.ts --seconds 300 --seed 7.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { formatEntry, parseCorpus, readCorpus } from './corpus.ts';
import { type Crasher, fuzz, replayCorpus } from './fuzzer.ts';
import { targets } from './targets.ts';

/** Fixed, so that a failure here is a change of the code. */
const SEEDS = [1, 2, 3];
const INPUTS_PER_SEED = 250;
/** Of live objects, over a whole target: what codecs keep per connection must go with the connection. */
const MAX_GROWTH_BYTES = 8 * 1024 * 1024;

function mustHold(crasher: Crasher | null): void {
  if (crasher === null) return;
  const { error, entry } = crasher;
  const text = error instanceof Error ? error.stack : String(error);
  assert.fail(`${text}\n\nthe input, as a corpus entry:\n${entry}`);
}

setFlagsFromString('--expose-gc');
const collectGarbage: unknown = runInNewContext('gc');

/** The least of a few collections: buffers are given back some turns after their owners are. */
async function liveBytes(): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let turn = 0; turn < 5; turn++) {
    if (typeof collectGarbage === 'function') collectGarbage();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    least = Math.min(least, heapUsed + arrayBuffers);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return least;
}

for (const target of targets) {
  describe(`fuzz ${target.name}`, () => {
    test('every input of the kept corpus holds', async () => {
      assert.ok(readCorpus(target.name).length > 0, 'no corpus');
      mustHold(await replayCorpus(target));
    });

    test('mutations of the corpus hold, and leave no memory behind', async () => {
      // Code and tables of a first run do not count.
      mustHold((await fuzz(target, 0, (inputs) => inputs === INPUTS_PER_SEED)).crasher);
      const before = await liveBytes();
      for (const seed of SEEDS) {
        const { crasher } = await fuzz(target, seed, (inputs) => inputs === INPUTS_PER_SEED);
        mustHold(crasher);
      }
      const grownBytes = (await liveBytes()) - before;
      assert.ok(grownBytes < MAX_GROWTH_BYTES, `${grownBytes} bytes more than before`);
    });
  });
}

test('a corpus entry reads back as it was written', () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const [entry] = parseCorpus(`# comment\n${formatEntry('all bytes', bytes)}`);
  assert.equal(entry?.name, 'all bytes');
  assert.deepEqual(entry?.bytes, bytes);
  assert.equal(parseCorpus('== a\n\\{3:xy\\r\\n}z')[0]?.bytes.toString(), 'xy\r\nxy\r\nxy\r\nz');
});

test('the same seed gives the same mutations', async () => {
  for (const { name, mutate } of targets) {
    const seen: string[][] = [[], []];
    for (const inputs of seen) {
      const recording = {
        name,
        mutate,
        check: (input: Buffer) => {
          inputs.push(input.toString('latin1'));
        },
      };
      await fuzz(recording, 5, (count) => count === 50);
    }
    assert.deepEqual(seen[0], seen[1]);
  }
});

test('an invariant that does not hold ends the run with a corpus entry', async () => {
  const [target] = targets;
  assert.ok(target !== undefined);
  const broken = {
    ...target,
    check: (input: Buffer) => assert.ok(!input.includes('smuggled'), 'planted'),
  };
  const { crasher } = await fuzz(broken, 1, (inputs) => inputs === 2000);
  assert.match(crasher?.entry ?? '', /^== found with seed 1, input \d+/);
  assert.match(parseCorpus(crasher?.entry ?? '')[0]?.bytes.toString('latin1') ?? '', /smuggled/);
});
