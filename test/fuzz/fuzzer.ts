// Runs a target over its corpus and over seeded mutations of it. Called by fuzz.test.ts and run.ts.

import { performance } from 'node:perf_hooks';
import { formatEntry, readCorpus } from './corpus.ts';
import { SeededRandom } from './random.ts';
import type { FuzzTarget } from './target.ts';

/** An input that takes longer hangs for all practical purposes; the usual is below 10 ms. */
const MAX_INPUT_MS = 5000;

export interface Crasher {
  readonly target: string;
  readonly seed: number;
  /** As a corpus entry: to be kept in test/fuzz/corpus/<target>. */
  readonly entry: string;
  readonly error: unknown;
}

/** Null = every invariant held. */
async function tryInput(
  target: FuzzTarget,
  name: string,
  input: Buffer,
  seed: number,
): Promise<Crasher | null> {
  const startMs = performance.now();
  try {
    // The target gets a copy: what it does to the input must not show in a crasher.
    await target.check(Buffer.from(input), new SeededRandom(seed));
    const tookMs = performance.now() - startMs;
    if (tookMs > MAX_INPUT_MS) throw new Error(`took ${tookMs.toFixed(0)} ms`);
    return null;
  } catch (error) {
    return { target: target.name, seed, entry: formatEntry(name, input), error };
  }
}

/** The whole corpus, once; the first failure. */
export async function replayCorpus(target: FuzzTarget): Promise<Crasher | null> {
  for (const [i, entry] of readCorpus(target.name).entries()) {
    const crasher = await tryInput(target, entry.name, entry.bytes, i);
    if (crasher !== null) return crasher;
  }
  return null;
}

export interface FuzzResult {
  readonly inputs: number;
  readonly crasher: Crasher | null;
}

/** Mutations until `isOver`, which is asked before each; input number n of a seed is always the same. */
export async function fuzz(
  target: FuzzTarget,
  seed: number,
  isOver: (inputs: number) => boolean,
): Promise<FuzzResult> {
  const corpus = readCorpus(target.name);
  let inputs = 0;
  for (; !isOver(inputs); inputs++) {
    const random = new SeededRandom(inputSeed(seed, inputs));
    const base = random.pick(corpus);
    const mutated = target.mutate(base.bytes, random.pick(corpus).bytes, random);
    const name = `found with seed ${seed}, input ${inputs}, from ${base.name}`;
    const crasher = await tryInput(target, name, mutated, inputSeed(seed, inputs));
    if (crasher !== null) return { inputs, crasher };
  }
  return { inputs, crasher: null };
}

function inputSeed(seed: number, input: number): number {
  return Math.imul(seed, 0x9e3779b1) + input;
}
