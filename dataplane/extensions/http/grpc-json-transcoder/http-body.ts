// google.api.HttpBody: a message that stands for a body of any type. Requests are wrapped into one, responses
// unwrapped; its fields are content_type (1), data (2) and extensions (3).

import { ByteWriter } from './byte-writer.ts';
import { FieldKind } from './data.ts';
import type { FieldSchema } from './schema.ts';
import { WireReader } from './wire-reader.ts';

const UNKNOWN_QUERY_PARAMS =
  'type.googleapis.com/envoy.extensions.filters.http.grpc_json_transcoder.v3.UnknownQueryParams';
const MAX_DEPTH = 100;

/**
 * The protobuf of an HttpBody at `path` of a request; what is empty or null is left out, `data` is copied.
 * `unknown`: what goes into extensions as UnknownQueryParams.
 */
export function wrapHttpBody(
  path: readonly FieldSchema[],
  contentType: string,
  data: Buffer,
  unknown: ReadonlyMap<string, readonly string[]> | null,
): Buffer {
  const out = new ByteWriter();
  const starts = path.map((field) => out.beginMessage(field.number, field.kind));
  if (contentType !== '') out.stringField(1, contentType);
  if (unknown !== null) writeUnknown(out, unknown);
  if (data.length > 0) {
    out.tag(2, 2);
    out.varint(data.length);
    out.bytes(data, 0, data.length);
  }
  for (let i = path.length - 1; i >= 0; i--) out.endMessage(starts[i]!, path[i]!.number);
  return out.take();
}

function writeUnknown(out: ByteWriter, unknown: ReadonlyMap<string, readonly string[]>): void {
  const any = out.beginMessage(3, FieldKind.Message);
  out.stringField(1, UNKNOWN_QUERY_PARAMS);
  const params = out.beginMessage(2, FieldKind.Message);
  for (const [name, values] of unknown) {
    const entry = out.beginMessage(1, FieldKind.Message);
    out.stringField(1, name);
    const list = out.beginMessage(2, FieldKind.Message);
    for (const value of values) out.stringField(1, value);
    out.end(list);
    out.end(entry);
  }
  out.end(params);
  out.end(any);
}

/** What a response's HttpBody holds. */
export interface UnwrappedHttpBody {
  readonly contentType: string;
  /** Lies in the message that it was read from. */
  readonly data: Buffer;
}

/** Finds the HttpBody at `path` (field numbers) of a message; null = the bytes are broken. */
export function unwrapHttpBody(message: Buffer, path: readonly number[]): UnwrappedHttpBody | null {
  const reader = new WireReader();
  reader.enter(message, 0, message.length);
  for (const number of path) {
    const end = reader.end;
    let start = end;
    let stop = end;
    while (reader.at < end && !reader.isBroken) {
      const tag = reader.tag();
      if (tag === ((number << 3) | 2)) {
        start = reader.bytes();
        stop = reader.at;
      } else reader.skip(tag, MAX_DEPTH);
    }
    reader.at = start;
    reader.end = stop;
  }
  let contentType = '';
  let data = message.subarray(0, 0);
  while (reader.at < reader.end && !reader.isBroken) {
    const tag = reader.tag();
    if (tag === 10) {
      const start = reader.bytes();
      contentType = message.toString('latin1', start, reader.at);
    } else if (tag === 18) {
      const start = reader.bytes();
      data = message.subarray(start, reader.at);
    } else reader.skip(tag, MAX_DEPTH);
  }
  return reader.isBroken ? null : { contentType, data };
}
