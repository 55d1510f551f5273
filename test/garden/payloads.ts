// What goes through the garden: the kept corpus of HTTP/1 requests, and seeded mutations of it.

import { readCorpus } from '../fuzz/corpus.ts';
import { mutateHttp1 } from '../fuzz/mutate-http1.ts';
import { SeededRandom } from '../fuzz/random.ts';

export interface Payload {
  readonly name: string;
  readonly bytes: Buffer;
}

export function corpusPayloads(): Payload[] {
  return readCorpus('http1-request');
}

/** Number n of a seed is always the same. */
export function mutatedPayloads(seed: number, from: number, count: number): Payload[] {
  const corpus = corpusPayloads();
  return Array.from({ length: count }, (_, i) => {
    const number = from + i;
    const random = new SeededRandom(Math.imul(seed, 0x9e3779b1) + number);
    const base = random.pick(corpus);
    const bytes = mutateHttp1(base.bytes, random.pick(corpus).bytes, random);
    return { name: `seed ${seed}, number ${number}, from ${base.name}`, bytes };
  });
}
