// Mutations of binary messages (TLS ClientHello, PROXY protocol v2): bits, bytes, lengths, cuts and splices.

import type { SeededRandom } from './random.ts';

const edges = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff];

export function mutateBytes(input: Buffer, other: Buffer, random: SeededRandom): Buffer {
  let bytes = Buffer.from(input);
  for (let left = 1 + random.below(5); left > 0; left--) {
    const at = random.below(bytes.length + 1);
    switch (random.below(7)) {
      case 0:
        if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << random.below(8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = random.pick(edges);
        break;
      case 2:
        // Most lengths of these formats are 16 bits wide, and a little more or less is the interesting change.
        if (at + 2 <= bytes.length) {
          const value = bytes.readUInt16BE(at) + random.below(9) - 4;
          bytes.writeUInt16BE(value & 0xffff, at);
        }
        break;
      case 3:
        bytes = bytes.subarray(0, at);
        break;
      case 4: {
        const filler = Buffer.alloc(random.below(40), random.below(256));
        bytes = Buffer.concat([bytes.subarray(0, at), filler, bytes.subarray(at)]);
        break;
      }
      case 5:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          other.subarray(random.below(other.length + 1)),
        ]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random.below(20))]);
    }
  }
  return bytes;
}
