// One protobuf message -> JSON, straight from the bytes (protobuf.dev, "ProtoJSON Format"; what is left open
// there is done as in Envoy). Called by response.ts for each message of an upstream, whose bytes may be
// anything: errors are texts in `error`, nesting is bounded, work is linear in the bytes.

import { ByteWriter } from './byte-writer.ts';
import { FieldKind, type PrintOptionsData } from './data.ts';
import { doubleText, floatText, writeString } from './json-text.ts';
import { readAny, readFieldMask, readTime } from './known-messages.ts';
import { isGrouped, regroup } from './regroup.ts';
import { type FieldSchema, type MessageSchema, type Schema, WellKnown } from './schema.ts';
import { WireReader } from './wire-reader.ts';

/** protobuf's own limit for messages in a message. */
const MAX_DEPTH = 100;
/** Messages out of order in each other: a copy of each is kept while it is written. */
const MAX_REGROUPED = 16;

const COMMA = 0x2c;
const QUOTE = 0x22;
const WIRE_TYPES = ['varint', '64-bit', 'length-delimited', 'group', 'group', '32-bit'];

export class JsonWriter {
  /** Where the text goes. */
  readonly out = new ByteWriter();
  /** Why `write` failed; '' = it did not. */
  error = '';
  readonly #schema: Schema;
  readonly #print: PrintOptionsData;
  readonly #reader = new WireReader();
  /** Brackets that are open. */
  #depth = 0;
  /** Messages around the one that is written. */
  #messages = 0;
  /** Those among them that came out of order. */
  #regrouped = 0;

  constructor(schema: Schema, print: PrintOptionsData) {
    this.#schema = schema;
    this.#print = print;
  }

  /** Appends `bytes` as JSON to `out`; false = `error` says why not, and what was appended is of no use. */
  write(type: MessageSchema, bytes: Buffer): boolean {
    this.error = '';
    this.#depth = 0;
    this.#messages = 0;
    this.#regrouped = 0;
    const reader = this.#reader;
    reader.isBroken = false;
    reader.enter(bytes, 0, bytes.length);
    this.#message(type);
    if (this.#print.addWhitespace) this.out.byte(0x0a);
    if (reader.isBroken) this.#fail('unexpected EOF');
    reader.enter(NO_BYTES, 0, 0);
    return this.error === '';
  }

  #fail(message: string): void {
    if (this.error === '') this.error = message;
    // Ends every loop.
    this.#reader.isBroken = true;
  }

  /** What the reader has before it, up to its end, as a value. */
  #message(type: MessageSchema): void {
    if (type.wellKnown === WellKnown.None) {
      this.#open(0x7b);
      this.#close(0x7d, this.#fields(type, true));
    } else this.#wellKnown(type);
  }

  // ---- whitespace ----

  #open(bracket: number): void {
    this.out.byte(bracket);
    this.#depth++;
  }

  #close(bracket: number, isEmpty: boolean): void {
    this.#depth--;
    if (!isEmpty) this.#newLine();
    this.out.byte(bracket);
  }

  /** Between `[`, `{` or a value and the next one. */
  #separate(isFirst: boolean): void {
    if (!isFirst) this.out.byte(COMMA);
    this.#newLine();
  }

  #newLine(): void {
    if (!this.#print.addWhitespace) return;
    this.out.byte(0x0a);
    for (let i = 0; i < this.#depth; i++) this.out.byte(0x20);
  }

  #key(field: FieldSchema, isFirst: boolean): void {
    this.#separate(isFirst);
    this.out.bytes(field.jsonKey, 0, field.jsonKey.length);
    if (this.#print.addWhitespace) this.out.byte(0x20);
  }

  // ---- messages ----

  /** The fields of an object without its braces; returns whether nothing was written. */
  #fields(type: MessageSchema, isFirstField: boolean): boolean {
    const reader = this.#reader;
    if (!isGrouped(type, reader)) {
      const { buffer, end } = reader;
      if (++this.#regrouped > MAX_REGROUPED) this.#fail('allowed depth exceeded');
      const grouped = regroup(type, reader);
      reader.enter(grouped, 0, grouped.length);
      const isEmpty = this.#fields(type, isFirstField);
      reader.enter(buffer, end, end);
      this.#regrouped--;
      return isEmpty;
    }
    const printsDefaults = this.#print.alwaysPrintPrimitiveFields;
    let isFirst = isFirstField;
    let nextDefault = 0;
    let tag = reader.at < reader.end ? reader.tag() : 0;
    while (tag !== 0 && !reader.isBroken) {
      const field = type.byNumber.get(tag >>> 3);
      if (field === undefined) {
        reader.skip(tag, MAX_DEPTH);
        tag = reader.at < reader.end ? reader.tag() : 0;
        continue;
      }
      if (printsDefaults) {
        for (; type.fields[nextDefault]!.number < field.number; nextDefault++) {
          if (this.#default(type.fields[nextDefault]!, isFirst)) isFirst = false;
        }
        nextDefault++;
      }
      if (field.isRepeated) {
        this.#key(field, isFirst);
        isFirst = false;
        tag = field.isMap ? this.#map(field, tag) : this.#list(field, tag);
        continue;
      }
      if (this.#isUnsetValue(field)) reader.skip(tag, MAX_DEPTH);
      else {
        this.#key(field, isFirst);
        isFirst = false;
        this.#value(field, tag);
      }
      tag = reader.at < reader.end ? reader.tag() : 0;
    }
    if (printsDefaults) {
      for (; nextDefault < type.fields.length; nextDefault++) {
        if (this.#default(type.fields[nextDefault]!, isFirst)) isFirst = false;
      }
    }
    return isFirst && isFirstField;
  }

  /** A google.protobuf.Value that holds nothing has no JSON. */
  #isUnsetValue(field: FieldSchema): boolean {
    if (field.kind !== FieldKind.Message) return false;
    const { buffer, at } = this.#reader;
    return buffer[at] === 0 && this.#schema.message(field.type).wellKnown === WellKnown.Value;
  }

  /** An absent field that always_print_primitive_fields wants; false = it is not of that kind. */
  #default(field: FieldSchema, isFirst: boolean): boolean {
    if (field.oneof !== -1 || field.hasPresence) return false;
    this.#key(field, isFirst);
    if (field.isRepeated) this.out.latin1(field.isMap ? '{}' : '[]');
    else this.#defaultValue(field);
    return true;
  }

  #defaultValue(field: FieldSchema): void {
    switch (field.kind) {
      case FieldKind.Bool:
        this.out.latin1('false');
        return;
      case FieldKind.String:
      case FieldKind.Bytes:
        this.out.latin1('""');
        return;
      case FieldKind.Enum:
        this.#enum(field, 0);
        return;
      case FieldKind.Message:
      case FieldKind.Group:
        this.#nested(this.#schema.message(field.type), this.#reader.at, this.#reader.at);
        return;
      case FieldKind.Int64:
      case FieldKind.Uint64:
      case FieldKind.Sint64:
      case FieldKind.Fixed64:
      case FieldKind.Sfixed64:
        this.out.latin1('"0"');
        return;
      default:
        this.out.latin1('0');
    }
  }

  /** `[...]` of all values that follow with this field's number; returns the tag behind them, 0 = none. */
  #list(field: FieldSchema, firstTag: number): number {
    const reader = this.#reader;
    this.#open(0x5b);
    let isFirst = true;
    let tag = firstTag;
    for (;;) {
      const isPacked = (tag & 7) === 2 && field.wireType !== 2;
      if (isPacked) {
        const start = reader.bytes();
        const { at: next, end } = reader;
        reader.at = start;
        reader.end = next;
        while (reader.at < next && !reader.isBroken) {
          this.#separate(isFirst);
          isFirst = false;
          this.#value(field, field.wireType);
        }
        reader.at = next;
        reader.end = end;
      } else {
        this.#separate(isFirst);
        isFirst = false;
        this.#value(field, tag);
      }
      tag = !reader.isBroken && reader.at < reader.end ? reader.tag() : 0;
      if (tag >>> 3 !== field.number) break;
    }
    this.#close(0x5d, isFirst);
    return tag;
  }

  /** `{...}` of all entries that follow; returns the tag behind them, 0 = none. */
  #map(field: FieldSchema, firstTag: number): number {
    const reader = this.#reader;
    const entry = this.#schema.message(field.type);
    const key = entry.byNumber.get(1)!;
    const value = entry.byNumber.get(2)!;
    this.#open(0x7b);
    let isFirst = true;
    let tag = firstTag;
    do {
      if ((tag & 7) !== 2) this.#wrongWireType(field, tag);
      this.#separate(isFirst);
      isFirst = false;
      this.#entry(key, value);
      tag = !reader.isBroken && reader.at < reader.end ? reader.tag() : 0;
    } while (tag >>> 3 === field.number);
    this.#close(0x7d, isFirst);
    return tag;
  }

  #entry(key: FieldSchema, value: FieldSchema): void {
    const reader = this.#reader;
    const start = reader.bytes();
    const { at: next, end } = reader;
    reader.at = start;
    reader.end = next;
    let keyTag = 0;
    let keyAt = 0;
    let valueTag = 0;
    let valueAt = 0;
    while (reader.at < next && !reader.isBroken) {
      const tag = reader.tag();
      if (tag >>> 3 === 1) {
        keyTag = tag;
        keyAt = reader.at;
      } else if (tag >>> 3 === 2) {
        valueTag = tag;
        valueAt = reader.at;
      }
      reader.skip(tag, MAX_DEPTH);
    }
    const isQuoted = isWrittenQuoted(key.kind);
    if (!isQuoted) this.out.byte(QUOTE);
    reader.at = keyAt;
    if (keyTag === 0) this.#defaultValue(key);
    else this.#value(key, keyTag);
    if (!isQuoted) this.out.byte(QUOTE);
    this.out.byte(0x3a);
    if (this.#print.addWhitespace) this.out.byte(0x20);
    reader.at = valueAt;
    if (valueTag === 0) this.#defaultValue(value);
    else this.#value(value, valueTag);
    reader.at = next;
    reader.end = end;
  }

  // ---- values ----

  /** The value behind `tag`. */
  #value(field: FieldSchema, tag: number): void {
    const { out } = this;
    const reader = this.#reader;
    if ((tag & 7) !== field.wireType) {
      this.#wrongWireType(field, tag);
      return;
    }
    switch (field.kind) {
      case FieldKind.Double:
        out.latin1(doubleText(reader.double()));
        return;
      case FieldKind.Float:
        out.latin1(floatText(reader.float()));
        return;
      case FieldKind.Int64:
        this.#quoted(reader.int64Text());
        return;
      case FieldKind.Uint64:
        this.#quoted(reader.uint64Text());
        return;
      case FieldKind.Sint64:
        this.#quoted(reader.sint64Text());
        return;
      case FieldKind.Fixed64:
        this.#quoted(reader.fixed64Text());
        return;
      case FieldKind.Sfixed64:
        this.#quoted(reader.sfixed64Text());
        return;
      case FieldKind.Int32:
        out.latin1(String(reader.uint32() | 0));
        return;
      case FieldKind.Uint32:
        out.latin1(String(reader.uint32()));
        return;
      case FieldKind.Sint32:
        out.latin1(String(reader.sint32()));
        return;
      case FieldKind.Fixed32:
        out.latin1(String(reader.fixed32()));
        return;
      case FieldKind.Sfixed32:
        out.latin1(String(reader.sfixed32()));
        return;
      case FieldKind.Bool:
        out.latin1(reader.bool() ? 'true' : 'false');
        return;
      case FieldKind.Enum:
        this.#enum(field, reader.uint32() | 0);
        return;
      case FieldKind.String:
        this.#string(reader.bytes(), reader.at);
        return;
      case FieldKind.Bytes: {
        const start = reader.bytes();
        this.#quoted(reader.buffer.toString('base64', start, reader.at));
        return;
      }
      case FieldKind.Message: {
        const start = reader.bytes();
        this.#nested(this.#schema.message(field.type), start, reader.at);
        return;
      }
      case FieldKind.Group: {
        const start = reader.at;
        const end = reader.group(tag, MAX_DEPTH);
        const next = reader.at;
        this.#nested(this.#schema.message(field.type), start, end);
        reader.at = next;
      }
    }
  }

  /** A message in a message; the reader is behind it afterwards. */
  #nested(type: MessageSchema, start: number, end: number): void {
    const reader = this.#reader;
    const outerEnd = reader.end;
    reader.at = start;
    reader.end = end;
    if (++this.#messages > MAX_DEPTH) this.#fail('allowed depth exceeded');
    if (!reader.isBroken) this.#message(type);
    this.#messages--;
    reader.at = end;
    reader.end = outerEnd;
  }

  #string(start: number, end: number): void {
    if (!writeString(this.out, this.#reader.buffer, start, end)) {
      this.#fail('proto3 strings must be UTF-8');
    }
  }

  #enum(field: FieldSchema, number: number): void {
    const type = this.#schema.enumType(field.type);
    if (type.isNull) {
      this.out.latin1('null');
      return;
    }
    const name = this.#print.alwaysPrintEnumsAsInts ? undefined : type.nameOf.get(number);
    if (name === undefined) this.out.latin1(String(number));
    else this.#quoted(name);
  }

  /** ASCII without anything to escape. */
  #quoted(text: string): void {
    this.out.byte(QUOTE);
    this.out.latin1(text);
    this.out.byte(QUOTE);
  }

  #wrongWireType(field: FieldSchema, tag: number): void {
    const name = WIRE_TYPES[tag & 7] ?? 'such';
    this.#fail(`field type ${field.kind} (number ${field.number}) does not support ${name} fields`);
  }

  // ---- well-known types ----

  #wellKnown(type: MessageSchema): void {
    switch (type.wellKnown) {
      case WellKnown.Any:
        this.#any();
        return;
      case WellKnown.Timestamp:
      case WellKnown.Duration:
        this.#time(type.wellKnown);
        return;
      case WellKnown.FieldMask:
        this.#fieldMask();
        return;
      case WellKnown.Struct:
        this.#struct(type);
        return;
      case WellKnown.ListValue:
        this.#listValue(type);
        return;
      case WellKnown.Value:
      case WellKnown.Wrapper:
        this.#onlyField(type);
        return;
      case WellKnown.None:
    }
  }

  #any(): void {
    const reader = this.#reader;
    const { end } = reader;
    const { urlStart, urlEnd, valueStart, valueEnd } = readAny(reader);
    const url = reader.buffer.toString('utf8', urlStart, urlEnd);
    if (url === '') {
      this.out.latin1('{}');
      return;
    }
    const name = url.slice(url.lastIndexOf('/') + 1);
    const type = this.#schema.byName(name);
    if (type === null) {
      this.#fail(`Invalid type URL, unknown type: ${name}`);
      return;
    }
    this.#open(0x7b);
    this.#separate(true);
    this.out.latin1(this.#print.addWhitespace ? '"@type": ' : '"@type":');
    this.#string(urlStart, urlEnd);
    reader.at = valueStart;
    reader.end = valueEnd;
    if (++this.#messages > MAX_DEPTH) this.#fail('allowed depth exceeded');
    if (type.wellKnown === WellKnown.None) this.#fields(type, false);
    else {
      this.#separate(false);
      this.out.latin1(this.#print.addWhitespace ? '"value": ' : '"value":');
      this.#wellKnown(type);
    }
    this.#messages--;
    reader.at = end;
    reader.end = end;
    this.#close(0x7d, false);
  }

  #time(wellKnown: WellKnown): void {
    const text = readTime(this.#reader, wellKnown === WellKnown.Timestamp);
    if (text.startsWith(' ')) this.#fail(text.slice(1));
    else this.#quoted(text);
  }

  #fieldMask(): void {
    const text = Buffer.from(readFieldMask(this.#reader));
    writeString(this.out, text, 0, text.length);
  }

  #struct(type: MessageSchema): void {
    const reader = this.#reader;
    const field = type.byNumber.get(1);
    this.#open(0x7b);
    let isFirst = true;
    const entry = field?.isMap === true ? this.#schema.message(field.type) : null;
    while (reader.at < reader.end && !reader.isBroken) {
      const tag = reader.tag();
      if (tag !== 10 || entry === null) {
        reader.skip(tag, MAX_DEPTH);
        continue;
      }
      this.#separate(isFirst);
      isFirst = false;
      this.#entry(entry.byNumber.get(1)!, entry.byNumber.get(2)!);
    }
    this.#close(0x7d, isFirst);
  }

  #listValue(type: MessageSchema): void {
    const reader = this.#reader;
    const field = type.byNumber.get(1);
    this.#open(0x5b);
    let isFirst = true;
    while (reader.at < reader.end && !reader.isBroken) {
      const tag = reader.tag();
      if (tag !== 10 || field === undefined) {
        reader.skip(tag, MAX_DEPTH);
        continue;
      }
      this.#separate(isFirst);
      isFirst = false;
      this.#value(field, tag);
    }
    this.#close(0x5d, isFirst);
  }

  /** A wrapper or a Value is its only field, the last one that was set. */
  #onlyField(type: MessageSchema): void {
    const reader = this.#reader;
    let found: FieldSchema | null = null;
    let foundTag = 0;
    let foundAt = 0;
    while (reader.at < reader.end && !reader.isBroken) {
      const tag = reader.tag();
      const field = type.byNumber.get(tag >>> 3);
      if (field !== undefined) {
        found = field;
        foundTag = tag;
        foundAt = reader.at;
      }
      reader.skip(tag, MAX_DEPTH);
    }
    const isValue = type.wellKnown === WellKnown.Value;
    if (found === null) {
      const field = isValue ? undefined : type.byNumber.get(1);
      if (field === undefined) this.out.latin1('null');
      else this.#defaultValue(field);
      return;
    }
    reader.at = foundAt;
    if (isValue && found.kind === FieldKind.Double) {
      const value = reader.double();
      if (Number.isFinite(value)) this.out.latin1(doubleText(value));
      else this.#fail(`google.protobuf.Value cannot encode double values for ${value}`);
    } else this.#value(found, foundTag);
  }
}

const NO_BYTES = Buffer.alloc(0);

/** 64-bit numbers and strings are JSON strings already. */
function isWrittenQuoted(kind: FieldKind): boolean {
  switch (kind) {
    case FieldKind.String:
    case FieldKind.Int64:
    case FieldKind.Uint64:
    case FieldKind.Sint64:
    case FieldKind.Fixed64:
    case FieldKind.Sfixed64:
      return true;
    default:
      return false;
  }
}
