// One JSON text -> one protobuf message in a gRPC frame, written while it is read (protobuf.dev, "ProtoJSON
// Format"), with the fields woven in that path and query bind. Called by request.ts for each message of a
// client; errors are texts in `error`, in Envoy's words, with the path of the field before them.

import { ByteWriter } from './byte-writer.ts';
import { FieldKind } from './data.ts';
import type { FieldBindings } from './field-bindings.ts';
import { beginFrame, endFrame } from './frames.ts';
import { CLOSE_BRACKET, JsonLexer, OPEN_BRACE, OPEN_BRACKET } from './json-lexer.ts';
import { kindName, type ScalarForm, writeEnum, writeScalar } from './scalars.ts';
import { type FieldSchema, type MessageSchema, type Schema, WellKnown } from './schema.ts';
import { readListValue, readStruct, readValue, writeValueOf } from './struct-reader.ts';
import { durationOf, fieldMaskPaths, timestampOf } from './times.ts';

const QUOTE = 0x22;
const LETTER_N = 0x6e;
const EMPTY_OBJECT = Buffer.from('{}');
const NO_ROOT = 'Root element must be a message.';
const TYPE_URL = 'type.googleapis.com/';
const NO_TYPE = ' ';
/** Anys in each other: each is looked through for its type before it is read. */
const MAX_ANYS = 16;

export class JsonReader {
  /** Why `read` gave nothing. */
  error = '';
  readonly #schema: Schema;
  readonly #ignoreEnumCase: boolean;
  readonly #rejectCollisions: boolean;
  readonly #out = new ByteWriter();
  readonly #lexer = new JsonLexer();
  /** Of what went wrong: field names from the outermost on. */
  #path = '';
  #message = '';
  /** What went wrong is said of the message around the field. */
  #isAboutParent = false;
  /** Anys around what is read. */
  #anys = 0;

  constructor(schema: Schema, ignoreEnumCase: boolean, rejectCollisions: boolean) {
    this.#schema = schema;
    this.#ignoreEnumCase = ignoreEnumCase;
    this.#rejectCollisions = rejectCollisions;
  }

  /**
   * The frame of one message, or null and `error`. `path`: the field that the text is the value of, empty =
   * the text is the message. No text at all counts as `{}`. `bindings` is used up.
   */
  read(
    type: MessageSchema,
    text: Buffer,
    path: readonly FieldSchema[],
    bindings: FieldBindings | null,
  ): Buffer | null {
    const lexer = this.#lexer;
    this.#start();
    const isRead =
      lexer.enter(text.length === 0 ? EMPTY_OBJECT : text) &&
      this.#body(type, path, 0, bindings) &&
      lexer.atEnd();
    return this.#finish(isRead);
  }

  /** The same of a message that only bindings and `tail` make, already in protobuf. */
  readBindings(bindings: FieldBindings, tail: Buffer): Buffer | null {
    this.#start();
    const isRead = this.#weave(bindings);
    this.#out.bytes(tail, 0, tail.length);
    return this.#finish(isRead);
  }

  #start(): void {
    this.#out.reset();
    beginFrame(this.#out);
    this.#path = '';
    this.#message = '';
    this.#isAboutParent = false;
    this.#anys = 0;
    this.#lexer.error = '';
  }

  #finish(isRead: boolean): Buffer | null {
    this.error = this.#lexer.error === '' ? `${this.#path}: ${this.#message}` : this.#lexer.error;
    this.#lexer.leave();
    if (!isRead) return null;
    endFrame(this.#out);
    return this.#out.take();
  }

  // ---- errors ----

  #fail(message: string): false {
    this.#message = message;
    return false;
  }

  #invalid(shown: string, typeName: string): false {
    return this.#fail(`invalid value ${shown} for type ${typeName}`);
  }

  #failParent(message: string): false {
    this.#isAboutParent = true;
    return this.#fail(message);
  }

  /** On the way out of what failed. */
  #below(name: string): false {
    const glue = this.#path === '' || this.#path.startsWith('[') ? '' : '.';
    this.#path = `${name}${glue}${this.#path}`;
    return false;
  }

  #failedField(field: FieldSchema): false {
    if (this.#isAboutParent) {
      this.#isAboutParent = false;
      return false;
    }
    return this.#below(field.name);
  }

  // ---- messages ----

  #body(
    type: MessageSchema,
    path: readonly FieldSchema[],
    at: number,
    bindings: FieldBindings | null,
  ): boolean {
    const field = path[at];
    if (field === undefined) return this.#root(type, bindings);
    if (at === path.length - 1) {
      if (!this.#field(field, field.name, bindings)) return this.#failedField(field);
    } else {
      const out = this.#out;
      const start = out.beginMessage(field.number, field.kind);
      const below = bindings === null ? null : bindings.takeChild(field);
      const isGood = this.#body(this.#schema.message(field.type), path, at + 1, below);
      if (!isGood) return this.#failedField(field);
      out.endMessage(start, field.number);
    }
    return this.#weave(bindings);
  }

  #root(type: MessageSchema, bindings: FieldBindings | null): boolean {
    const first = this.#lexer.peek();
    if (type.wellKnown === WellKnown.None && first !== OPEN_BRACE) {
      return first !== OPEN_BRACKET && !this.#lexer.skipValue() ? false : this.#fail(NO_ROOT);
    }
    return this.#content(type, bindings, null);
  }

  /** The value that comes next as what a message holds; `field`: whose value it is, null = the root's. */
  #content(
    type: MessageSchema,
    bindings: FieldBindings | null,
    field: FieldSchema | null,
  ): boolean {
    const first = this.#lexer.peek();
    if (type.wellKnown !== WellKnown.None) {
      if (type.wellKnown === WellKnown.Value) return readValue(this.#lexer, this.#out);
      if (first === OPEN_BRACE && type.wellKnown === WellKnown.Struct) {
        return readStruct(this.#lexer, this.#out);
      }
      if (first === OPEN_BRACE && type.wellKnown === WellKnown.Any) return this.#any(type, field);
      if (first === OPEN_BRACKET && type.wellKnown === WellKnown.ListValue) {
        return readListValue(this.#lexer, this.#out);
      }
    }
    if (first === OPEN_BRACE) return this.#object(type, bindings, field);
    if (first === OPEN_BRACKET) {
      return this.#failParent('Proto field is not repeating, cannot start list.');
    }
    const form = this.#lexer.takeScalar();
    return form !== null && this.#contentOf(type, form, this.#lexer.scalarText(form), field);
  }

  /** A scalar as what a message holds: well-known types have such a form. */
  #contentOf(
    type: MessageSchema,
    form: ScalarForm,
    text: string,
    field: FieldSchema | null,
  ): boolean {
    const out = this.#out;
    switch (type.wellKnown) {
      case WellKnown.Wrapper: {
        const inner = type.byNumber.get(1);
        if (inner === undefined) break;
        out.tag(inner.number, inner.wireType);
        return this.#scalarValue(inner, form, text) || this.#below(inner.name);
      }
      case WellKnown.Timestamp:
      case WellKnown.Duration:
        return this.#time(type, form, text, field);
      case WellKnown.FieldMask:
        if (form !== 'string') {
          return this.#invalidData(
            type,
            `Invalid data type for field mask, value is ${text}`,
            field,
          );
        }
        for (const path of fieldMaskPaths(text)) out.stringField(1, path);
        return true;
      case WellKnown.Value:
        writeValueOf(this.#out, form, text);
        return true;
      default:
    }
    return this.#invalid(shownScalar(form, text), TYPE_URL + type.name);
  }

  #object(
    type: MessageSchema,
    bindings: FieldBindings | null,
    owner: FieldSchema | null,
    skippedKey: string | null = null,
  ): boolean {
    const lexer = this.#lexer;
    if (!lexer.open(owner === null ? 'in object' : `for key '${owner.name}'`)) return false;
    // Bits of the oneofs that have a value.
    let oneofs = 0n;
    for (let isFirst = true; ; isFirst = false) {
      const next = lexer.nextKey(isFirst);
      if (next === -1) return false;
      if (next === 0) break;
      const key = lexer.text();
      const field = key === skippedKey ? undefined : type.byName.get(key);
      if (field === undefined) {
        if (!lexer.skipValue()) return false;
        continue;
      }
      if (field.oneof !== -1 && this.#setsField(field)) {
        const bit = 1n << BigInt(field.oneof);
        if ((oneofs & bit) !== 0n) {
          const what = `oneof field '${field.oneofName}' is already set. Cannot set '${key}'`;
          return this.#invalid(what, 'oneof');
        }
        oneofs |= bit;
      }
      if (!this.#field(field, key, bindings)) return this.#failedField(field);
    }
    return this.#weave(bindings);
  }

  /** Null sets no field, but for those whose value it is. */
  #setsField(field: FieldSchema): boolean {
    return this.#lexer.peek() !== LETTER_N || this.#takesNull(field);
  }

  #takesNull(field: FieldSchema): boolean {
    if (field.kind === FieldKind.Enum) return this.#schema.enumType(field.type).isNull;
    return (
      field.kind === FieldKind.Message &&
      this.#schema.message(field.type).wellKnown === WellKnown.Value
    );
  }

  /** The value of a field of the message around, in any of its forms. */
  #field(field: FieldSchema, key: string, bindings: FieldBindings | null): boolean {
    const lexer = this.#lexer;
    const first = lexer.peek();
    if (first === LETTER_N && !this.#takesNull(field)) return lexer.word();
    if (field.isMap) return this.#map(field, key);
    if (field.isRepeated) {
      return first === OPEN_BRACKET ? this.#list(field) : this.#element(field, null);
    }
    if (bindings === null || bindings.isEmpty()) return this.#element(field, null);
    if (field.isMessage) return this.#element(field, bindings.takeChild(field));
    const start = this.#out.length;
    if (!this.#element(field, null)) return false;
    const bound = bindings.takeValue(field);
    return bound === null || !this.#rejectCollisions || this.#isSame(field, start, bound);
  }

  /** Whether what was written since `start` is what path or query say. */
  #isSame(field: FieldSchema, start: number, bound: string): boolean {
    const out = this.#out;
    const end = out.length;
    const shown = this.#lexer.shownToken();
    if (!this.#boundValue(field, bound)) return false;
    const isSame = out.buffer.compare(out.buffer, end, out.length, start, end) === 0;
    out.length = end;
    if (isSame) return true;
    // Envoy puts no path before this one.
    this.#lexer.error = `The binding value "${bound}" of the field ${field.name} is conflicting with the value ${shown} in the body.`;
    return false;
  }

  #list(field: FieldSchema): boolean {
    const lexer = this.#lexer;
    if (!lexer.open('in array')) return false;
    for (let i = 0; ; i++) {
      const next = lexer.nextElement(i === 0);
      if (next !== 1) return next === 0;
      const first = lexer.peek();
      if (first === CLOSE_BRACKET) return lexer.skipValue();
      if (first === LETTER_N && !this.#takesNull(field)) {
        if (!lexer.word()) return false;
      } else if (!this.#element(field, null)) {
        this.#isAboutParent = false;
        return this.#below(`[${i}]`);
      }
    }
  }

  #map(field: FieldSchema, name: string): boolean {
    const lexer = this.#lexer;
    const first = lexer.peek();
    if (first === OPEN_BRACKET) {
      return this.#failParentInvalid(`Cannot bind a list to map for field '${name}'.`, 'Map');
    }
    const entry = this.#schema.message(field.type);
    if (first !== OPEN_BRACE) {
      const form = this.#lexer.takeScalar();
      if (form === null) return false;
      return this.#invalid(shownScalar(form, this.#lexer.scalarText(form)), TYPE_URL + entry.name);
    }
    if (!lexer.open(`for key '${field.name}'`)) return false;
    const out = this.#out;
    const keyField = entry.byNumber.get(1)!;
    const valueField = entry.byNumber.get(2)!;
    const keys = new Set<string>();
    for (let i = 0; ; i++) {
      const next = lexer.nextKey(i === 0);
      if (next !== 1) return next === 0;
      const key = lexer.text();
      if (keys.has(key)) {
        this.#fail(`Repeated map key: '${key}' is already set.`);
        return this.#below(`[${i}]`);
      }
      keys.add(key);
      const start = out.beginMessage(field.number, field.kind);
      out.tag(1, keyField.wireType);
      if (!this.#scalarValue(keyField, 'string', key)) return this.#below(`[${i}].key`);
      if (!this.#field(valueField, key, null)) {
        this.#isAboutParent = false;
        return this.#below(`[${i}].value`);
      }
      out.endMessage(start, field.number);
    }
  }

  #failParentInvalid(shown: string, typeName: string): false {
    this.#isAboutParent = true;
    return this.#invalid(shown, typeName);
  }

  /** One value of a field, with its tag. */
  #element(field: FieldSchema, bindings: FieldBindings | null): boolean {
    const out = this.#out;
    const lexer = this.#lexer;
    if (field.isMessage) {
      const start = out.beginMessage(field.number, field.kind);
      if (!this.#content(this.#schema.message(field.type), bindings, field)) return false;
      out.endMessage(start, field.number);
      return true;
    }
    const first = lexer.peek();
    if (first === OPEN_BRACE) {
      return this.#failParentInvalid('Starting an object on a scalar field', field.name);
    }
    if (first === OPEN_BRACKET) {
      return this.#failParent('Proto field is not repeating, cannot start list.');
    }
    out.tag(field.number, field.wireType);
    if (first === QUOTE && field.kind === FieldKind.String) {
      if (!lexer.string()) return false;
      const start = out.begin();
      lexer.writeText(out);
      out.end(start);
      return true;
    }
    const form = this.#lexer.takeScalar();
    return form !== null && this.#scalarValue(field, form, this.#lexer.scalarText(form));
  }

  // ---- scalars ----

  /** A scalar without its tag. */
  #scalarValue(field: FieldSchema, form: ScalarForm, text: string): boolean {
    const out = this.#out;
    if (field.kind === FieldKind.Enum) {
      const type = this.#schema.enumType(field.type);
      if (type.isNull && form === 'bool' && text === 'null') {
        out.byte(0);
        return true;
      }
      if (writeEnum(out, type, form, text, this.#ignoreEnumCase)) return true;
      return this.#invalid(shownScalar(form, text), TYPE_URL + type.name);
    }
    if (writeScalar(out, field.kind, form, text)) return true;
    return this.#invalid(shownScalar(form, text), kindName(field.kind));
  }

  #time(type: MessageSchema, form: ScalarForm, text: string, field: FieldSchema | null): boolean {
    const isTimestamp = type.wellKnown === WellKnown.Timestamp;
    const what = isTimestamp ? 'timestamp' : 'duration';
    const read = isTimestamp ? timestampOf : durationOf;
    const time = form === 'string' ? read(text) : `Invalid data type for ${what}, value is ${text}`;
    if (typeof time === 'string') return this.#invalidData(type, time, field);
    const out = this.#out;
    out.tag(1, 0);
    out.varint64(BigInt(time.seconds));
    out.tag(2, 0);
    out.varint64(BigInt(time.nanos));
    return true;
  }

  #invalidData(type: MessageSchema, what: string, field: FieldSchema | null): false {
    const name = field === null ? '' : `Field '${field.jsonName}', `;
    return this.#invalid(name + what, TYPE_URL + type.name);
  }

  // ---- Any ----

  #any(type: MessageSchema, field: FieldSchema | null): boolean {
    const out = this.#out;
    if (++this.#anys > MAX_ANYS) {
      this.#lexer.error = "Message too deep. Max recursion depth reached for key '@type'";
      return false;
    }
    const url = this.#typeUrl();
    if (url === null) return false;
    // An object of nothing is an Any of nothing.
    if (url === NO_TYPE) {
      this.#anys--;
      return this.#object(type, null, field, '@type');
    }
    if (!url.startsWith(TYPE_URL)) {
      const form = `type URLs must be of the form '${TYPE_URL}<typename>', got: ${url}`;
      return this.#invalid(`Invalid type URL, ${form}`, 'Any');
    }
    const name = url.slice(TYPE_URL.length);
    const inner = this.#schema.byName(name);
    if (inner === null) return this.#invalid(`Invalid type URL, unknown type: ${name}`, 'Any');
    out.stringField(1, url);
    const start = out.beginMessage(2, FieldKind.Message);
    const isGood =
      inner.wellKnown === WellKnown.None
        ? this.#object(inner, null, field, '@type')
        : this.#anyValue(inner);
    if (!isGood) return false;
    out.end(start);
    this.#anys--;
    return true;
  }

  /** `@type` of the object that comes next, which stays; NO_TYPE = an empty object, null = an error. */
  #typeUrl(): string | null {
    const lexer = this.#lexer;
    const { at, depth } = lexer;
    let url: string | null = null;
    let isEmpty = true;
    if (!lexer.open('in object')) return null;
    for (; url === null; isEmpty = false) {
      const next = lexer.nextKey(isEmpty);
      if (next === -1) return null;
      if (next === 0) break;
      const isType = lexer.text() === '@type';
      if (isType && lexer.peek() !== QUOTE) {
        const form = this.#lexer.takeScalar();
        if (form !== null) this.#invalid(lexer.literal(), 'String');
        return null;
      }
      if (!lexer.skipValue()) return null;
      if (isType) url = lexer.text();
    }
    lexer.at = at;
    lexer.depth = depth;
    if (url !== null) return url;
    if (isEmpty) return NO_TYPE;
    this.#invalid('Missing @type for any field', 'Any');
    return null;
  }

  /** `{"@type": ..., "value": ...}` of a type whose JSON is no object of its fields. */
  #anyValue(type: MessageSchema): boolean {
    const lexer = this.#lexer;
    if (!lexer.open('in object')) return false;
    for (let isFirst = true; ; isFirst = false) {
      const next = lexer.nextKey(isFirst);
      if (next !== 1) return next === 0;
      const isGood = lexer.text() === 'value' ? this.#content(type, null, null) : lexer.skipValue();
      if (!isGood) return false;
    }
  }

  // ---- path and query ----

  /** Writes what the bindings still say about a message. */
  #weave(bindings: FieldBindings | null): boolean {
    if (bindings === null || bindings.isEmpty()) return true;
    const out = this.#out;
    for (const { field, text } of bindings.values) {
      if (!this.#boundValue(field, text)) return this.#below(field.name);
    }
    for (const [field, below] of bindings.takeChildren()) {
      const start = out.beginMessage(field.number, field.kind);
      if (!this.#weave(below)) return this.#below(field.name);
      out.endMessage(start, field.number);
    }
    return true;
  }

  #boundValue(field: FieldSchema, text: string): boolean {
    if (!field.isMessage) {
      this.#out.tag(field.number, field.wireType);
      return this.#scalarValue(field, 'string', text);
    }
    const start = this.#out.beginMessage(field.number, field.kind);
    if (!this.#contentOf(this.#schema.message(field.type), 'string', text, field)) return false;
    this.#out.endMessage(start, field.number);
    return true;
  }
}

function shownScalar(form: ScalarForm, text: string): string {
  return form === 'string' ? `"${text}"` : text;
}
