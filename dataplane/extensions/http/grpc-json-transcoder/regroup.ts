// Brings the fields of a message into order: by number, the values of a repeated field together, a singular
// one once. Serializers write messages so; protobuf allows any order, and then json-writer.ts, which writes
// as it reads, needs this first.

import { ByteWriter } from './byte-writer.ts';
import { FieldKind } from './data.ts';
import type { FieldSchema, MessageSchema } from './schema.ts';
import type { WireReader } from './wire-reader.ts';

const MAX_GROUP_DEPTH = 100;

/** Looks at what lies before the reader and leaves it where it was. Broken bytes count as grouped. */
export function isGrouped(type: MessageSchema, reader: WireReader): boolean {
  const { at, end } = reader;
  let last = 0;
  let isInOrder = true;
  while (reader.at < end && !reader.isBroken && isInOrder) {
    const tag = reader.tag();
    const number = tag >>> 3;
    if (number <= last) {
      const field = type.byNumber.get(number);
      if (field !== undefined && (number < last || !field.isRepeated)) isInOrder = false;
    } else if (type.byNumber.has(number)) last = number;
    reader.skip(tag, MAX_GROUP_DEPTH);
  }
  if (!reader.isBroken) reader.at = at;
  return isInOrder || reader.isBroken;
}

interface Occurrence {
  readonly field: FieldSchema;
  readonly tag: number;
  /** From the tag on. */
  readonly start: number;
  readonly valueStart: number;
  readonly end: number;
}

/** The same message in order; the reader is at its end afterwards. Unknown fields are left out. */
export function regroup(type: MessageSchema, reader: WireReader): Buffer {
  const found: Occurrence[] = [];
  while (reader.at < reader.end && !reader.isBroken) {
    const start = reader.at;
    const tag = reader.tag();
    const valueStart = reader.at;
    reader.skip(tag, MAX_GROUP_DEPTH);
    const field = type.byNumber.get(tag >>> 3);
    if (field !== undefined) found.push({ field, tag, start, valueStart, end: reader.at });
  }
  // Stable: values keep their order.
  found.sort((a, b) => a.field.number - b.field.number);
  const out = new ByteWriter();
  for (let i = 0; i < found.length; ) {
    let next = i + 1;
    while (next < found.length && found[next]!.field === found[i]!.field) next++;
    write(found.slice(i, next), reader.buffer, out);
    i = next;
  }
  return out.take();
}

function write(same: readonly Occurrence[], buffer: Buffer, out: ByteWriter): void {
  const { field } = same[0]!;
  if (field.isRepeated) {
    for (const { start, end } of same) out.bytes(buffer, start, end);
    return;
  }
  const last = same.at(-1)!;
  if (field.kind !== FieldKind.Message || same.some(({ tag }) => (tag & 7) !== 2)) {
    out.bytes(buffer, last.start, last.end);
    return;
  }
  // Messages merge, which their bytes do when they stand behind each other.
  const payload = out.beginMessage(field.number, field.kind);
  for (const { valueStart, end } of same) {
    let start = valueStart;
    while (buffer[start]! >= 0x80) start++;
    out.bytes(buffer, start + 1, end);
  }
  out.endMessage(payload, field.number);
}
