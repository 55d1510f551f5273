// Strings of short literal values that came before, found by their bytes as they stand in the block (Huffman or not),
// so that a value that repeats is neither decoded nor validated nor allocated again. Used by the decoders of a thread.
//
// A fixed number of slots, and a value gets one only when it is seen a second time: a flood of values that never come
// again (request ids) leaves the others in place, and memory is bounded by SLOTS short strings.

const SLOTS = 1024;
/** Longer literals are not kept. */
export const MAX_CACHED_BYTES = 64;

const values: string[] = new Array<string>(SLOTS).fill('');
/** What valueKey gave for the value. */
const keys = new Int32Array(SLOTS);
/** Hash of the last value that was turned away. */
const candidates = new Int32Array(SLOTS);
const lengths = new Uint8Array(SLOTS);
const raw = new Uint8Array(SLOTS * MAX_CACHED_BYTES);

/**
 * Key of bytes[start, end), which are 1 to MAX_CACHED_BYTES long. It looks at a few of them only: a find compares all,
 * and values that share a key merely take each other's slot.
 */
export function valueKey(
  bytes: Uint8Array,
  start: number,
  end: number,
  isHuffman: boolean,
): number {
  const length = end - start;
  let key = isHuffman ? length : ~length;
  key = Math.imul(key, 31) + bytes[start]!;
  key = Math.imul(key, 31) + bytes[start + (length >> 2)]!;
  key = Math.imul(key, 31) + bytes[start + (length >> 1)]!;
  key = Math.imul(key, 31) + bytes[end - 1 - (length >> 2)]!;
  if (length > 1) key = Math.imul(key, 31) + bytes[end - 2]!;
  key = Math.imul(key, 31) + bytes[end - 1]!;
  return key | 0;
}

function slotOf(key: number): number {
  return (key ^ (key >>> 10) ^ (key >>> 20)) & (SLOTS - 1);
}

/** The string that bytes[start, end) stands for, or null. It is a valid value. */
export function findValue(
  bytes: Uint8Array,
  start: number,
  end: number,
  key: number,
): string | null {
  const slot = slotOf(key);
  const length = end - start;
  if (keys[slot] !== key || lengths[slot] !== length) return null;
  const at = slot * MAX_CACHED_BYTES;
  for (let i = 0; i < length; i++) if (raw[at + i] !== bytes[start + i]) return null;
  return values[slot]!;
}

/**
 * Offers a valid value that was not found, by a hash of all of it; true = it was the last to be offered for its slot
 * too, so keep it.
 */
export function isSecondOffer(key: number, hash: number): boolean {
  const slot = slotOf(key);
  if (candidates[slot] === hash) return true;
  candidates[slot] = hash;
  return false;
}

/** Keeps what bytes[start, end) decoded to; `value` must be a string of its own, not a slice. */
export function keepValue(
  bytes: Uint8Array,
  start: number,
  end: number,
  key: number,
  value: string,
): void {
  const slot = slotOf(key);
  keys[slot] = key;
  lengths[slot] = end - start;
  raw.set(bytes.subarray(start, end), slot * MAX_CACHED_BYTES);
  values[slot] = value;
}
