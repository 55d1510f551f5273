// Values that runtime may change, as workers read them: one load from memory, no key and no message (ADR 22).
// Made where config is built; main writes the words (runtime/runtime.ts), and nobody else may.
//
//   number, flag    the value
//   fraction        numerator * 4 + (0 | 1 | 2 for a denominator of 100 | 10 000 | 1 000 000)

import type { FractionData } from '../api/matcher-data.ts';
import type { RuntimeFlag, RuntimeNumber, RuntimeWord } from '../api/runtime.ts';

const denominators = [100, 10_000, 1_000_000] as const;

/** A number as it is now, for what is made anew when it changes. */
export function readRuntime(data: RuntimeNumber): number {
  return typeof data === 'number' ? data : new Float64Array(data.live)[data.at ?? 0]!;
}

/** A RuntimeNumber or RuntimeFlag. */
export class RuntimeValue {
  readonly #words: Float64Array;

  constructor(data: RuntimeNumber | RuntimeFlag) {
    this.#words = typeof data === 'object' ? wordOf(data) : constant(Number(data));
  }

  /** Its value now. */
  number(): number {
    return this.#words[0]!;
  }

  isOn(): boolean {
    return this.#words[0] !== 0;
  }
}

/** A share of the traffic. */
export class RuntimeFraction {
  readonly #words: Float64Array;

  constructor(data: FractionData) {
    this.#words =
      data.live === undefined ? constant(encodeFraction(data)) : new Float64Array(data.live);
  }

  /** `random`: a whole number >= 0, the same one for all that shall nest. */
  holds(random: number): boolean {
    const word = this.#words[0]!;
    return random % denominators[(word & 3) as 0 | 1 | 2] < word >>> 2;
  }

  /** `random`: in [0, 1). */
  draw(random: number): boolean {
    const word = this.#words[0]!;
    return random * denominators[(word & 3) as 0 | 1 | 2] < word >>> 2;
  }

  numerator(): number {
    return this.#words[0]! >>> 2;
  }

  denominator(): number {
    return denominators[(this.#words[0]! & 3) as 0 | 1 | 2];
  }
}

/** What the word of a fraction holds. */
export function encodeFraction({ numerator, denominator }: FractionData): number {
  const code = denominator === 1_000_000 ? 2 : denominator === 10_000 ? 1 : 0;
  return Math.min(Math.max(0, Math.trunc(numerator)), denominator) * 4 + code;
}

function wordOf({ live, at = 0 }: RuntimeWord): Float64Array {
  return new Float64Array(live, at * Float64Array.BYTES_PER_ELEMENT, 1);
}

function constant(value: number): Float64Array {
  return new Float64Array([value]);
}
