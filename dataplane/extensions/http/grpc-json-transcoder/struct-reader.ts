// Any JSON -> google.protobuf.Value, Struct and ListValue, without tag and length of their own. Called by
// json-reader.ts; false = the lexer has the error.

import type { ByteWriter } from './byte-writer.ts';
import { FieldKind } from './data.ts';
import { type JsonLexer, OPEN_BRACE, OPEN_BRACKET } from './json-lexer.ts';
import type { ScalarForm } from './scalars.ts';

/** Numbers of the fields of google.protobuf.Value. */
const Value = { Null: 1, Number: 2, String: 3, Bool: 4, Struct: 5, List: 6 } as const;

export function readValue(lexer: JsonLexer, out: ByteWriter): boolean {
  const first = lexer.peek();
  if (first === OPEN_BRACE || first === OPEN_BRACKET) {
    const isStruct = first === OPEN_BRACE;
    const start = out.beginMessage(isStruct ? Value.Struct : Value.List, FieldKind.Message);
    if (!(isStruct ? readStruct(lexer, out) : readListValue(lexer, out))) return false;
    out.end(start);
    return true;
  }
  const form = lexer.takeScalar();
  if (form === null) return false;
  writeValueOf(out, form, lexer.scalarText(form));
  return true;
}

/** A Value of a scalar. */
export function writeValueOf(out: ByteWriter, form: ScalarForm, text: string): void {
  if (form === 'string') out.stringField(Value.String, text);
  else if (form === 'number') {
    out.tag(Value.Number, 1);
    out.double(Number(text));
  } else if (text === 'null') {
    out.tag(Value.Null, 0);
    out.byte(0);
  } else {
    out.tag(Value.Bool, 0);
    out.byte(text === 'true' ? 1 : 0);
  }
}

/** The object that comes next: entries (1) of key (1) and value (2). */
export function readStruct(lexer: JsonLexer, out: ByteWriter): boolean {
  if (!lexer.open('in object')) return false;
  for (let isFirst = true; ; isFirst = false) {
    const next = lexer.nextKey(isFirst);
    if (next !== 1) return next === 0;
    const entry = out.beginMessage(1, FieldKind.Message);
    out.tag(1, 2);
    const key = out.begin();
    lexer.writeText(out);
    out.end(key);
    const value = out.beginMessage(2, FieldKind.Message);
    if (!readValue(lexer, out)) return false;
    out.end(value);
    out.end(entry);
  }
}

/** The array that comes next: values (1). */
export function readListValue(lexer: JsonLexer, out: ByteWriter): boolean {
  if (!lexer.open('in array')) return false;
  for (let isFirst = true; ; isFirst = false) {
    const next = lexer.nextElement(isFirst);
    if (next !== 1) return next === 0;
    const value = out.beginMessage(1, FieldKind.Message);
    if (!readValue(lexer, out)) return false;
    out.end(value);
  }
}
