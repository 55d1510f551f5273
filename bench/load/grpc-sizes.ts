// What the gRPC rows send, for both ends: grpc-backend.ts and the clients that check its answers.

/** Payload of the one message of a unary call, both ways. */
export const UNARY_BYTES = 100;
/** Messages that a streaming call is answered with, and the payload of each. */
export const STREAM_MESSAGES = 100;
export const STREAM_MESSAGE_BYTES = 1024;

const PREFIX_BYTES = 5;

/** A message as it stands in DATA frames: not compressed, its length, its payload. */
export function grpcMessage(payloadBytes: number): Buffer {
  const bytes = Buffer.alloc(PREFIX_BYTES + payloadBytes, 'a');
  bytes[0] = 0;
  bytes.writeUInt32BE(payloadBytes, 1);
  return bytes;
}
