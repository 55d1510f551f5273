// What a fuzz target is; the list of them is in targets.ts.

import type { SeededRandom } from './random.ts';

export interface FuzzTarget {
  /** Also the name of its folder below corpus/. */
  readonly name: string;
  mutate(input: Buffer, other: Buffer, random: SeededRandom): Buffer;
  /** Throws when an invariant does not hold. `random` chooses cuts; the caller seeds it per input. */
  check(input: Buffer, random: SeededRandom): Promise<void> | void;
}
