// As much of RFC 6455 as an echo needs: whole binary messages of up to 64 KiB in one frame.

import { createHash } from 'node:crypto';

const BINARY_FINAL = 0x82;
const MASKED = 0x80;
const LENGTH_16 = 126;
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A masked frame, as clients must send it. */
export function clientFrame(payload: Buffer): Buffer {
  const mask = Buffer.from([1, 2, 3, 4]);
  const head = [BINARY_FINAL, MASKED | LENGTH_16, payload.length >> 8, payload.length & 0xff];
  const masked = payload.map((byte, i) => byte ^ mask[i & 3]!);
  return Buffer.concat([Buffer.from(head), mask, masked]);
}

const CLIENT_HEAD_BYTES = 8;
const SERVER_HEAD_BYTES = 4;

/** Bytes on the wire of the unmasked echo of a message longer than 125 bytes. */
export function serverFrameBytes(payloadBytes: number): number {
  return SERVER_HEAD_BYTES + payloadBytes;
}

/** The echo of the first frame in `received`; null = it is not complete. Takes only what clientFrame makes. */
export function echoFrame(received: Buffer): { reply: Buffer; usedBytes: number } | null {
  if (received.length < CLIENT_HEAD_BYTES) return null;
  const length = received.readUInt16BE(2);
  const usedBytes = CLIENT_HEAD_BYTES + length;
  if (received.length < usedBytes) return null;
  const reply = Buffer.allocUnsafe(SERVER_HEAD_BYTES + length);
  reply[0] = BINARY_FINAL;
  reply[1] = LENGTH_16;
  reply.writeUInt16BE(length, 2);
  for (let i = 0; i < length; i++) {
    reply[SERVER_HEAD_BYTES + i] = received[CLIENT_HEAD_BYTES + i]! ^ received[4 + (i & 3)]!;
  }
  return { reply, usedBytes };
}

/** The head that accepts the upgrade that `requestHead` asks for. */
export function acceptHead(requestHead: string): string {
  const key = /^sec-websocket-key: *(.*)$/im.exec(requestHead)?.[1] ?? '';
  const accept = createHash('sha1')
    .update(key.trim() + GUID)
    .digest('base64');
  return (
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`
  );
}
