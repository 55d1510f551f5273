// Mutations of a sequence of HTTP/2 frames: half of them know frames and header blocks, the others only bytes.

import { type Frame, FramePeer, frame, GET, parseFrames } from '../fakes/http2.ts';
import { mutateBytes } from './mutate-bytes.ts';
import type { SeededRandom } from './random.ts';

const peer = new FramePeer();
const ids = [0, 1, 2, 3, 5, 7, 9, 0x7fffffff];

const fields = [
  ['content-length', '0'],
  ['content-length', '5'],
  ['content-length', '05'],
  ['content-length', '5, 5'],
  ['transfer-encoding', 'chunked'],
  ['transfer-encoding', ' chunked'],
  ['connection', 'close'],
  ['connection', 'transfer-encoding'],
  ['upgrade', 'websocket'],
  ['te', 'trailers'],
  ['te', 'gzip'],
  ['host', 'b'],
  ['cookie', 'a=1'],
  ['cookie', 'b=2\r\nx: y'],
  ['x', 'a\r\nGET /smuggled HTTP/1.1\r\nhost: a'],
  ['x\r\ny', 'z'],
  ['x: y', 'z'],
  [':path', '/b'],
  [':path', '/ HTTP/1.1\r\nhost: b\r\n\r\n'],
  [':authority', 'b'],
  [':protocol', 'websocket'],
  [':status', '200'],
  [':status', '100'],
  [':method', 'GET / HTTP/1.1\r\nx: y'],
  [':method', 'CONNECT'],
  ['expect', '100-continue'],
  ['grpc-status', '0'],
  ['a_b', 'c'],
] as const;

/** Frames worth meeting anywhere. */
const fragments: readonly Buffer[] = [
  frame(0, 0, 1, 'hello'),
  frame(0, 1, 1, 'hello'),
  frame(0, 1, 1, ''),
  frame(0, 9, 1, '\x03hi\0\0\0'),
  peer.headers(1, 5, GET),
  peer.headers(3, 4, [':method', 'POST', ...GET.slice(2)]),
  peer.headers(1, 5, ['x-trailer', 'y']),
  peer.headers(1, 4, [':status', '200']),
  peer.headers(1, 5, [':status', '204']),
  frame(9, 4, 1, peer.block(['x', 'y'])),
  frame(9, 0, 1, ''),
  frame(2, 0, 1, '\0\0\0\0\0'),
  frame(3, 0, 1, '\0\0\0\x08'),
  frame(3, 0, 1, '\0\0\0\x07'),
  frame(4, 0, 0, ''),
  frame(4, 0, 0, '\0\x01\0\0\0\0'),
  frame(4, 0, 0, '\0\x04\0\0\0\x01'),
  frame(4, 0, 0, '\0\x03\0\0\0\0'),
  frame(4, 0, 0, '\0\x08\0\0\0\x01'),
  frame(4, 1, 0, ''),
  frame(6, 0, 0, '12345678'),
  frame(7, 0, 0, '\0\0\0\x01\0\0\0\0'),
  frame(8, 0, 0, '\0\0\0\x01'),
  frame(8, 0, 1, '\x7f\xff\xff\xff'),
  frame(0x4d, 4, 1, 'metadata'),
];

function bytesOf({ type, flags, id, payload }: Frame): Buffer {
  return frame(type, flags, id, payload);
}

/** One HEADERS frame gets a field more, at its end or its beginning. */
function withField(target: Frame, random: SeededRandom): Frame {
  if (target.type !== 1 && target.type !== 9) return target;
  const more = peer.block(random.pick(fields), random.oneIn(2));
  const parts = random.oneIn(3) ? [more, target.payload] : [target.payload, more];
  return { ...target, payload: Buffer.concat(parts) };
}

/** A header block cut into HEADERS and CONTINUATION. */
function cut(target: Frame, random: SeededRandom): Buffer {
  const at = random.below(target.payload.length + 1);
  return Buffer.concat([
    frame(target.type, target.flags & ~4, target.id, target.payload.subarray(0, at)),
    frame(9, target.flags & 4, target.id, target.payload.subarray(at)),
  ]);
}

export function mutateHttp2(input: Buffer, other: Buffer, random: SeededRandom): Buffer {
  if (random.oneIn(4)) return mutateBytes(input, other, random);
  const parts = parseFrames(input).map(bytesOf);
  for (let left = 1 + random.below(4); left > 0; left--) {
    const at = random.below(parts.length + 1);
    const [target] = at < parts.length ? parseFrames(parts[at]!) : [];
    if (target === undefined || random.oneIn(4)) {
      parts.splice(at, 0, random.pick(fragments));
      continue;
    }
    switch (random.below(9)) {
      case 0:
        parts.splice(at, 1);
        break;
      case 1:
        parts.splice(at, 0, parts[at]!);
        break;
      case 2:
        parts[at] = bytesOf({ ...target, flags: target.flags ^ (1 << random.below(6)) });
        break;
      case 3:
        parts[at] = bytesOf({ ...target, id: random.pick(ids) });
        break;
      case 4:
        parts[at] = bytesOf({ ...target, type: random.below(11) });
        break;
      case 5:
        parts[at] = cut(target, random);
        break;
      case 6:
        parts[at] = bytesOf({ ...target, payload: mutateBytes(target.payload, other, random) });
        break;
      case 7:
        parts.splice(at, 0, ...parseFrames(other).map(bytesOf));
        break;
      default:
        parts[at] = bytesOf(withField(target, random));
    }
  }
  return Buffer.concat(parts);
}
