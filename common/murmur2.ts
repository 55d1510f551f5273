// MurmurHash2 for 64 bits with the seed of libstdc++'s std::hash, as Envoy's ring with MURMUR_HASH_2 hashes. Public
// domain algorithm by Austin Appleby (MurmurHash64A). In 32-bit words, for the same reason as xxhash64.ts.

import { multiplyHigh, type Words } from './uint64.ts';

const M_LOW = 0x5bd1e995;
const M_HIGH = 0xc6a4a793;
const STD_HASH_SEED = 0xc70f6907;
const SHIFT_HIGH = 15; // 47 - 32

/** The hash of the first `length` bytes of `data`, into `words`. */
export function murmur2Words(data: Uint8Array, length: number, words: Words): void {
  let low = STD_HASH_SEED ^ Math.imul(length, M_LOW);
  let high = multiplyHigh(length, 0, M_LOW, M_HIGH);
  let at = 0;
  for (; at + 8 <= length; at += 8) {
    const inLow = wordAt(data, at, 4);
    const inHigh = wordAt(data, at + 4, 4);
    let mixedHigh = multiplyHigh(inLow, inHigh, M_LOW, M_HIGH);
    let mixedLow = Math.imul(inLow, M_LOW);
    mixedLow ^= mixedHigh >>> SHIFT_HIGH;
    mixedHigh = multiplyHigh(mixedLow, mixedHigh, M_LOW, M_HIGH);
    mixedLow = Math.imul(mixedLow, M_LOW);
    low ^= mixedLow;
    high = multiplyHigh(low, high ^ mixedHigh, M_LOW, M_HIGH);
    low = Math.imul(low, M_LOW);
  }
  const rest = length - at;
  if (rest > 0) {
    low ^= wordAt(data, at, Math.min(4, rest));
    if (rest > 4) high ^= wordAt(data, at + 4, rest - 4);
    high = multiplyHigh(low, high, M_LOW, M_HIGH);
    low = Math.imul(low, M_LOW);
  }
  low ^= high >>> SHIFT_HIGH;
  high = multiplyHigh(low, high, M_LOW, M_HIGH);
  low = Math.imul(low, M_LOW);
  words[0] = low ^ (high >>> SHIFT_HIGH);
  words[1] = high;
}

/** Up to four bytes, least significant first. */
function wordAt(data: Uint8Array, at: number, bytes: number): number {
  let word = 0;
  for (let i = 0; i < bytes; i++) word |= data[at + i]! << (8 * i);
  return word;
}
