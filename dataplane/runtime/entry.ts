// What the value of a runtime key means: text (files, admin, strings) or a value of a Struct (static and RTDS layers).
// Pure. The rules are Envoy's SnapshotImpl::createEntry and ProtoLayer::walkProtoValue.

import { parse } from 'yaml';
import { messageFromJson } from '../../proto/json.ts';
import { isRecord } from '../../proto/plain.ts';
import { fractionOf } from '../../proto/well-known.ts';
import type { FractionData } from '../api/matcher-data.ts';
import type { RuntimeEntry } from '../api/runtime.ts';

/** Above it is no uint64. */
const MAX_INTEGER = 2 ** 64;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const FRACTION = 'envoy.type.v3.FractionalPercent';

/** Text means a boolean, else a number, else a FractionalPercent in YAML, else only itself. */
export function entryOfText(text: string): RuntimeEntry {
  const raw = text.trimEnd();
  const bare = raw.trim();
  const word = bare.toLowerCase();
  if (word === 'true' || word === 'false') return { ...nothing(raw), boolean: word === 'true' };
  if (NUMBER.test(bare)) return numeric(raw, Number(bare));
  return { ...nothing(raw), fraction: fractionOfText(bare) };
}

/** Hears of each value where it stands: `path` are the names that make up `key`. Null: null and lists are no values. */
type Visit = (path: readonly string[], key: string, entry: RuntimeEntry | null) => void;

/**
 * The values of a layer that is a Struct. Keys of nested Structs are joined with '.'; one that looks like a
 * FractionalPercent is a value.
 */
export function visitLayer(layer: Readonly<Record<string, unknown>>, visit: Visit): void {
  for (const [name, value] of Object.entries(layer)) walk([name], value, visit);
}

function walk(path: readonly string[], value: unknown, visit: Visit): void {
  if (isRecord(value) && !isValue(value)) {
    for (const [name, below] of Object.entries(value)) walk([...path, name], below, visit);
  } else visit(path, path.join('.'), entryOf(value));
}

function entryOf(value: unknown): RuntimeEntry | null {
  if (typeof value === 'string') return entryOfText(value);
  if (typeof value === 'number') return numeric(String(value), value);
  if (typeof value === 'boolean') return { ...nothing(String(value)), boolean: value };
  if (!isRecord(value)) return null;
  return { ...nothing(JSON.stringify(value)), fraction: fractionOfJson(value) };
}

function isValue(struct: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(struct).length === 0 || 'numerator' in struct || 'denominator' in struct;
}

function nothing(raw: string): RuntimeEntry {
  return { raw, integer: null, double: null, boolean: null, fraction: null };
}

function numeric(raw: string, value: number): RuntimeEntry {
  const isUnsigned = value >= 0 && value < MAX_INTEGER;
  return { ...nothing(raw), double: value, integer: isUnsigned ? Math.floor(value) : null };
}

function fractionOfText(text: string): FractionData | null {
  // Anything else cannot be one; most texts are not YAML on purpose.
  if (!text.startsWith('{') && !/numerator|denominator/.test(text)) return null;
  try {
    const value: unknown = parse(text);
    return isRecord(value) ? fractionOfJson(value) : null;
  } catch {
    return null; // a text, after all
  }
}

function fractionOfJson(value: Readonly<Record<string, unknown>>): FractionData | null {
  const message = messageFromJson(FRACTION, value, { unknownFields: 'error' });
  return message.ok ? fractionOf(message.value.message) : null;
}
