// XXH64, the hash that Envoy's hash policies, ring and Maglev table use (https://xxhash.com, specification 0.1.1).
// In 32-bit words: it is asked for per request, and a million times for a large ring.

import { bigintOf, carryOf, multiplyHigh, splitBigint, type Words } from './uint64.ts';

// Words of the five primes.
const P1_LOW = 0x85ebca87;
const P1_HIGH = 0x9e3779b1;
const P2_LOW = 0x27d4eb4f;
const P2_HIGH = 0xc2b2ae3d;
const P3_LOW = 0x9e3779f9;
const P3_HIGH = 0x165667b1;
const P4_LOW = 0xc2b2ae63;
const P4_HIGH = 0x85ebca77;
const P5_LOW = 0x165667c5;
const P5_HIGH = 0x27d4eb2f;
const STRIPE = 32;
/** Longer texts get a buffer of their own. */
const SCRATCH_BYTES = 1024;

const scratch = new Uint8Array(SCRATCH_BYTES);
const result: Words = new Uint32Array(2);
/** Four accumulators: low, high, low, high, ... */
const lanes = new Int32Array(8);

/** 64 bits, unsigned. `seed` 0 is what Envoy uses for one value. */
export function xxhash64(data: Uint8Array, seed = 0n): bigint {
  splitBigint(seed, result);
  xxhash64Words(data, data.length, result);
  return bigintOf(result[0]!, result[1]!);
}

/** The hash of a latin1 text (one character per byte), as header values are. */
export function xxhash64Text(text: string, seed = 0n): bigint {
  const { length } = text;
  if (length > SCRATCH_BYTES) return xxhash64(Buffer.from(text, 'latin1'), seed);
  for (let i = 0; i < length; i++) scratch[i] = text.charCodeAt(i);
  splitBigint(seed, result);
  xxhash64Words(scratch, length, result);
  return bigintOf(result[0]!, result[1]!);
}

/** The hash of the first `length` bytes of `data`: `words` holds the seed before and the hash after. */
export function xxhash64Words(data: Uint8Array, length: number, words: Words): void {
  let low = words[0]! | 0;
  let high = words[1]! | 0;
  let at = 0;
  let kept = 0;
  if (length >= STRIPE) {
    at = hashStripes(data, length, words);
    low = words[0]! | 0;
    high = words[1]! | 0;
  } else {
    low = (low + P5_LOW) | 0;
    high = (high + P5_HIGH + carryOf(low, P5_LOW)) | 0;
  }
  low = (low + length) | 0;
  high = (high + carryOf(low, length)) | 0;

  for (; at + 8 <= length; at += 8) {
    // hash ^= round(0, input); hash = rotate(hash, 27) * P1 + P4
    let inLow = wordAt(data, at);
    let inHigh = wordAt(data, at + 4);
    inHigh = multiplyHigh(inLow, inHigh, P2_LOW, P2_HIGH);
    inLow = Math.imul(inLow, P2_LOW);
    kept = inLow;
    inLow = (inLow << 31) | (inHigh >>> 1);
    inHigh = (inHigh << 31) | (kept >>> 1);
    high ^= multiplyHigh(inLow, inHigh, P1_LOW, P1_HIGH);
    low ^= Math.imul(inLow, P1_LOW);
    kept = low;
    low = (low << 27) | (high >>> 5);
    high = (high << 27) | (kept >>> 5);
    high = multiplyHigh(low, high, P1_LOW, P1_HIGH);
    low = (Math.imul(low, P1_LOW) + P4_LOW) | 0;
    high = (high + P4_HIGH + carryOf(low, P4_LOW)) | 0;
  }
  if (at + 4 <= length) {
    // hash = rotate(hash ^ (input * P1), 23) * P2 + P3
    const input = wordAt(data, at);
    high ^= multiplyHigh(input, 0, P1_LOW, P1_HIGH);
    low ^= Math.imul(input, P1_LOW);
    kept = low;
    low = (low << 23) | (high >>> 9);
    high = (high << 23) | (kept >>> 9);
    high = multiplyHigh(low, high, P2_LOW, P2_HIGH);
    low = (Math.imul(low, P2_LOW) + P3_LOW) | 0;
    high = (high + P3_HIGH + carryOf(low, P3_LOW)) | 0;
    at += 4;
  }
  for (; at < length; at++) {
    // hash = rotate(hash ^ (byte * P5), 11) * P1
    const byte = data[at]!;
    high ^= multiplyHigh(byte, 0, P5_LOW, P5_HIGH);
    low ^= Math.imul(byte, P5_LOW);
    kept = low;
    low = (low << 11) | (high >>> 21);
    high = (high << 11) | (kept >>> 21);
    high = multiplyHigh(low, high, P1_LOW, P1_HIGH);
    low = Math.imul(low, P1_LOW);
  }

  // Avalanche: shifts by 33, 29 and 32.
  low ^= high >>> 1;
  high = multiplyHigh(low, high, P2_LOW, P2_HIGH);
  low = Math.imul(low, P2_LOW);
  low ^= (low >>> 29) | (high << 3);
  high ^= high >>> 29;
  high = multiplyHigh(low, high, P3_LOW, P3_HIGH);
  low = Math.imul(low, P3_LOW);
  words[0] = low ^ high;
  words[1] = high;
}

function wordAt(data: Uint8Array, at: number): number {
  return data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
}

/** All whole stripes of 32 bytes; returns how far that is. `words`: the seed before, the merged lanes after. */
function hashStripes(data: Uint8Array, length: number, words: Words): number {
  const low = words[0]!;
  const high = words[1]!;
  addToLane(0, low, high, P1_LOW, P1_HIGH);
  addToLane(0, lanes[0]!, lanes[1]!, P2_LOW, P2_HIGH);
  addToLane(1, low, high, P2_LOW, P2_HIGH);
  addToLane(2, low, high, 0, 0);
  addToLane(3, low, high, -P1_LOW | 0, ~P1_HIGH);
  let at = 0;
  for (; at + STRIPE <= length; at += STRIPE) {
    for (let lane = 0; lane < 4; lane++) {
      roundLane(lane, wordAt(data, at + lane * 8), wordAt(data, at + lane * 8 + 4));
    }
  }
  words[0] = 0;
  words[1] = 0;
  for (let lane = 0; lane < 4; lane++) addRotated(words, lane);
  for (let lane = 0; lane < 4; lane++) mergeLane(words, lane);
  return at;
}

function addToLane(lane: number, low: number, high: number, byLow: number, byHigh: number): void {
  const sum = (low + byLow) | 0;
  lanes[lane * 2] = sum;
  lanes[lane * 2 + 1] = high + byHigh + carryOf(sum, byLow);
}

/** lane = rotate(lane + input * P2, 31) * P1 */
function roundLane(lane: number, inLow: number, inHigh: number): void {
  const added = Math.imul(inLow, P2_LOW);
  const low = (lanes[lane * 2]! + added) | 0;
  const high =
    (lanes[lane * 2 + 1]! + multiplyHigh(inLow, inHigh, P2_LOW, P2_HIGH) + carryOf(low, added)) | 0;
  const turnedLow = (low << 31) | (high >>> 1);
  const turnedHigh = (high << 31) | (low >>> 1);
  lanes[lane * 2 + 1] = multiplyHigh(turnedLow, turnedHigh, P1_LOW, P1_HIGH);
  lanes[lane * 2] = Math.imul(turnedLow, P1_LOW);
}

/** hash += rotate(lane, 1, 7, 12 or 18) */
function addRotated(words: Words, lane: number): void {
  const bits = lane === 0 ? 1 : lane === 1 ? 7 : lane === 2 ? 12 : 18;
  const low = lanes[lane * 2]!;
  const high = lanes[lane * 2 + 1]!;
  const turned = (low << bits) | (high >>> (32 - bits));
  const sum = (words[0]! + turned) | 0;
  words[0] = sum;
  words[1] = words[1]! + ((high << bits) | (low >>> (32 - bits))) + carryOf(sum, turned);
}

/** hash = (hash ^ round(0, lane)) * P1 + P4 */
function mergeLane(words: Words, lane: number): void {
  const laneLow = lanes[lane * 2]!;
  const laneHigh = lanes[lane * 2 + 1]!;
  lanes[lane * 2] = 0;
  lanes[lane * 2 + 1] = 0;
  roundLane(lane, laneLow, laneHigh);
  const low = words[0]! ^ lanes[lane * 2]!;
  const high = words[1]! ^ lanes[lane * 2 + 1]!;
  const sum = (Math.imul(low, P1_LOW) + P4_LOW) | 0;
  words[0] = sum;
  words[1] = multiplyHigh(low, high, P1_LOW, P1_HIGH) + P4_HIGH + carryOf(sum, P4_LOW);
}
