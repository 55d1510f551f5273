// The Huffman code of HPACK (RFC 7541 5.2 and Appendix B), both ways, over bytes. Used by the decoder and the encoder.
//
// The code is canonical: code lengths alone say everything. The decoder goes four bits at a time through a table
// made from them once per thread: state (node of the code tree) and nibble -> next state, and a byte that is done. Eight
// bits at a time was measured too: 7 % less per block, for 256 KiB of table and 11 ms at the start of each thread.

/** Length in bits of the code of each byte, and of EOS (256). */
// biome-ignore format: 16 per line
const codeBits: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const EOS = 256;
const MAX_CODE_BITS = 30;
/** Padding is shorter than this, and only ones (5.2). */
const MAX_PADDING_BITS = 7;

/** Code of each byte, in its low codeBits. */
const codes = new Uint32Array(257);
const bits = Uint8Array.from(codeBits);

// Entry of `steps`, at state << 4 | nibble: next state << 16 | flags | byte that is done.
const EMITS = 0x100;
const FAILS = 0x200;
const steps = new Uint32Array(256 * 16);
/** 1 = a string may end in this state: only padding is open. */
const mayEnd = new Uint8Array(256);

function assignCodes(): void {
  let code = 0;
  for (let length = 1; length <= MAX_CODE_BITS; length++) {
    for (let symbol = 0; symbol <= EOS; symbol++) {
      if (codeBits[symbol] === length) codes[symbol] = code++;
    }
    code <<= 1;
  }
}

/** Numbers the inner nodes of the code tree (256 of them: the code is complete) and follows every nibble. */
function makeSteps(): void {
  // children[2 node + bit]: an inner node, or -1 - symbol. 0 = not there yet; the root is nobody's child.
  const children = new Int32Array(2 * 256);
  let nodeCount = 1;
  mayEnd[0] = 1;
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = 0;
    for (let bit = bits[symbol]! - 1; bit > 0; bit--) {
      const branch = 2 * node + ((codes[symbol]! >>> bit) & 1);
      if (children[branch] === 0) children[branch] = nodeCount++;
      node = children[branch]!;
    }
    children[2 * node + (codes[symbol]! & 1)] = -1 - symbol;
  }
  for (let node = 0, length = 1; length <= MAX_PADDING_BITS; length++) {
    node = children[2 * node + 1]!;
    mayEnd[node] = 1;
  }
  for (let state = 0; state < 256; state++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = state;
      let flags = 0;
      for (let bit = 3; bit >= 0; bit--) {
        node = children[2 * node + ((nibble >> bit) & 1)]!;
        if (node >= 0) continue;
        const symbol = -1 - node;
        flags |= symbol === EOS ? FAILS : EMITS | symbol;
        node = 0;
      }
      steps[(state << 4) | nibble] = (node << 16) | flags;
    }
  }
}

assignCodes();
makeSteps();

/** Bytes that decoding `length` bytes of code writes at most: what they can stand for, and one more. */
export function maxDecodedBytes(length: number): number {
  return Math.floor((length * 8) / 5) + 1;
}

/**
 * Decodes bytes[start, end) to the start of `to`, which must have room for maxDecodedBytes; returns how many bytes came
 * out, or -1: EOS in the string, or padding that is too long or not the first bits of EOS.
 */
export function huffmanDecode(
  bytes: Uint8Array,
  start: number,
  end: number,
  to: Uint8Array,
): number {
  // Every step writes; the position moves on when a byte was done.
  let step = 0;
  let seen = 0;
  let pos = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    step = steps[(step >>> 12) | (byte >> 4)]!;
    seen |= step;
    to[pos] = step;
    pos += (step >>> 8) & 1;
    step = steps[(step >>> 12) | (byte & 15)]!;
    seen |= step;
    to[pos] = step;
    pos += (step >>> 8) & 1;
  }
  return (seen & FAILS) === 0 && mayEnd[step >>> 16] === 1 ? pos : -1;
}

/** Bytes of the code of a latin1 string. */
export function huffmanLength(text: string): number {
  let sum = 0;
  for (let i = 0; i < text.length; i++) sum += bits[text.charCodeAt(i) & 0xff]!;
  return (sum + 7) >>> 3;
}

/** Writes the code of a latin1 string, padded; returns the position after it. */
export function huffmanEncode(text: string, to: Uint8Array, at: number): number {
  // The open bits stand at the right of `open`; up to 7 of them stay when the next code comes.
  let open = 0;
  let openBits = 0;
  let pos = at;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i) & 0xff;
    let left = bits[char]!;
    const code = codes[char]!;
    // Codes of up to 30 bits do not fit beside 7 open bits: the part above 16 goes first.
    if (left > 16) {
      left -= 16;
      open = (open << left) | (code >>> 16);
      openBits += left;
      while (openBits >= 8) {
        openBits -= 8;
        to[pos++] = open >>> openBits;
      }
      left = 16;
    }
    open = (open << left) | (code & 0xffff);
    openBits += left;
    while (openBits >= 8) {
      openBits -= 8;
      to[pos++] = open >>> openBits;
    }
  }
  if (openBits > 0) to[pos++] = (open << (8 - openBits)) | (0xff >>> openBits);
  return pos;
}
