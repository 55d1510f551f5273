// As much of RFC 9113 as our own load programs need (grpc-backend.ts, paced.ts): frames cut out of what is read,
// frames to write, literal header fields. They trust their peer; nothing here is for a hostile one.

export const FrameType = {
  Data: 0,
  Headers: 1,
  RstStream: 3,
  Settings: 4,
  Ping: 6,
  GoAway: 7,
  WindowUpdate: 8,
} as const;
export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;
export const ACK = 0x1;
export const HEADER_TABLE_SIZE_ID = 1;
export const INITIAL_WINDOW_SIZE_ID = 4;
export const DEFAULT_WINDOW = 65_535;
/** The largest window there is. */
export const MAX_WINDOW = 0x7fff_ffff;
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

const HEAD_BYTES = 9;
const LITERAL_NEW_NAME = 0;
const LITERAL_INDEXED_NEW_NAME = 0x40;

export function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(streamId, 5);
  payload.copy(bytes, HEAD_BYTES);
  return bytes;
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32BE(increment);
  return frame(FrameType.WindowUpdate, 0, streamId, payload);
}

/** SETTINGS with the largest stream window, and a connection window to match. */
export function openingFrames(): Buffer {
  const setting = Buffer.allocUnsafe(6);
  setting.writeUInt16BE(INITIAL_WINDOW_SIZE_ID, 0);
  setting.writeUInt32BE(MAX_WINDOW, 2);
  const settings = frame(FrameType.Settings, 0, 0, setting);
  return Buffer.concat([settings, windowUpdate(0, MAX_WINDOW - DEFAULT_WINDOW)]);
}

/** A field with a literal name, put into the dynamic table or not; both texts below 127 bytes. */
export function literal(name: string, value: string, isIndexed: boolean): Buffer {
  return Buffer.concat([
    Buffer.from([isIndexed ? LITERAL_INDEXED_NEW_NAME : LITERAL_NEW_NAME, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
}

/** Gets whole frames; the payload lies in the chunk that was read. */
export type OnFrame = (type: number, flags: number, streamId: number, payload: Buffer) => void;

/** Cuts what a connection delivers into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  readonly #onFrame: OnFrame;

  constructor(onFrame: OnFrame) {
    this.#onFrame = onFrame;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const streamId = bytes.readUInt32BE(at + 5) & MAX_WINDOW;
      this.#onFrame(bytes[at + 3]!, bytes[at + 4]!, streamId, bytes.subarray(at + HEAD_BYTES, end));
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }
}

/** A value of a SETTINGS payload; undefined = it does not say. */
export function settingOf(settings: Buffer, id: number): number | undefined {
  for (let at = 0; at + 6 <= settings.length; at += 6) {
    if (settings.readUInt16BE(at) === id) return settings.readUInt32BE(at + 2);
  }
  return undefined;
}
