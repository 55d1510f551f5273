// XXH64, the hash that Envoy's hash policies and ring use (https://xxhash.com, specification 0.1.1). With bigints:
// it is asked for once per connection and over short texts.

const MASK = 0xffffffffffffffffn;
const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;
const STRIPE = 32;

/** 64 bits, unsigned. `seed` 0 is what Envoy uses. */
export function xxhash64(data: Buffer, seed = 0n): bigint {
  let at = 0;
  let hash: bigint;
  if (data.length >= STRIPE) {
    let [a, b, c, d] = [seed + P1 + P2, seed + P2, seed, seed - P1];
    for (; at + STRIPE <= data.length; at += STRIPE) {
      a = round(a, data.readBigUInt64LE(at));
      b = round(b, data.readBigUInt64LE(at + 8));
      c = round(c, data.readBigUInt64LE(at + 16));
      d = round(d, data.readBigUInt64LE(at + 24));
    }
    hash = (rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n)) & MASK;
    for (const lane of [a, b, c, d]) hash = ((hash ^ round(0n, lane)) * P1 + P4) & MASK;
  } else hash = seed + P5;
  hash = (hash + BigInt(data.length)) & MASK;
  for (; at + 8 <= data.length; at += 8) {
    hash ^= round(0n, data.readBigUInt64LE(at));
    hash = (rotate(hash, 27n) * P1 + P4) & MASK;
  }
  if (at + 4 <= data.length) {
    hash ^= (BigInt(data.readUInt32LE(at)) * P1) & MASK;
    hash = (rotate(hash, 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < data.length; at++) {
    hash ^= (BigInt(data[at]!) * P5) & MASK;
    hash = (rotate(hash, 11n) * P1) & MASK;
  }
  hash = ((hash ^ (hash >> 33n)) * P2) & MASK;
  hash = ((hash ^ (hash >> 29n)) * P3) & MASK;
  return hash ^ (hash >> 32n);
}

function round(lane: bigint, input: bigint): bigint {
  return (rotate((lane + input * P2) & MASK, 31n) * P1) & MASK;
}

function rotate(value: bigint, bits: bigint): bigint {
  const v = value & MASK;
  return ((v << bits) | (v >> (64n - bits))) & MASK;
}
