// Unsigned 64-bit numbers as two 32-bit words, for hashes: a bigint per step costs ten times as much (figures in
// bench/micro/hashing.ts). A hash leaves these rooms as a bigint, or as words in an array that its owner reads.

/** [low word, high word]; both as unsigned. */
export type Words = Uint32Array;

/** The high word of the low 64 bits of a * b; the low word is Math.imul(aLow, bLow). */
export function multiplyHigh(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  // Schoolbook in halves of 16 bits: no product is above 32 bits, no sum of halves above 18.
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const cross = Math.imul(a1, b0);
  const otherCross = Math.imul(a0, b1);
  const middle = (cross & 0xffff) + (otherCross & 0xffff) + (Math.imul(a0, b0) >>> 16);
  const carried = (cross >>> 16) + (otherCross >>> 16) + (middle >>> 16);
  return (Math.imul(a1, b1) + carried + Math.imul(aLow, bHigh) + Math.imul(aHigh, bLow)) | 0;
}

/** 1 if `sum`, the low word of an addition of `term`, has wrapped around. */
export function carryOf(sum: number, term: number): number {
  return sum >>> 0 < term >>> 0 ? 1 : 0;
}

const whole = new BigUint64Array(1);
const halves = new Uint32Array(whole.buffer);

/** Low word first: all machines that Node runs on are little-endian. */
export function bigintOf(low: number, high: number): bigint {
  halves[0] = low;
  halves[1] = high;
  return whole[0]!;
}

/** Puts the words of `value` (modulo 2^64) into `words`. */
export function splitBigint(value: bigint, words: Words): void {
  whole[0] = value;
  words[0] = halves[0]!;
  words[1] = halves[1]!;
}

const TWO_TO_32 = 0x1_0000_0000;

/** The number modulo `divisor`, which must be below 2^26: then nothing exceeds what a double holds exactly. */
export function moduloWords(low: number, high: number, divisor: number): number {
  return ((high % divisor) * (TWO_TO_32 % divisor) + low) % divisor;
}
