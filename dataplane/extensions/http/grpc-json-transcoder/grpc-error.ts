// The status of a failed call as JSON, for convert_grpc_status: google.rpc.Status out of
// grpc-status-details-bin, or made of grpc-status and grpc-message. Called by filter.ts.

import { getField, type HeaderFields } from '../../../api/headers.ts';
import { ByteWriter } from './byte-writer.ts';
import type { JsonWriter } from './json-writer.ts';
import type { MessageSchema } from './schema.ts';

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** Null = it is none that could be written; the headers stay what tells of it. */
export function statusJson(
  grpcStatus: number,
  fields: HeaderFields,
  type: MessageSchema,
  writer: JsonWriter,
): Buffer | null {
  const details = getField(fields, 'grpc-status-details-bin');
  const message =
    details !== null && BASE64.test(details)
      ? Buffer.from(details, 'base64')
      : statusMessage(grpcStatus, getField(fields, 'grpc-message') ?? '');
  writer.out.reset();
  return writer.write(type, message) ? writer.out.take() : null;
}

/** google.rpc.Status: code (1) and message (2). */
function statusMessage(grpcStatus: number, grpcMessage: string): Buffer {
  const out = new ByteWriter();
  out.tag(1, 0);
  out.varint(grpcStatus);
  const decoded = grpcMessage.replace(/%([0-9A-Fa-f]{2})/g, (_match, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  if (decoded !== '') {
    out.tag(2, 2);
    out.varint(decoded.length);
    out.latin1(decoded);
  }
  return out.take();
}
