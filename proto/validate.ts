// Enforces the validation rules (PGV) that the Envoy API carries in its field options, on the plain form.
// Finds all violations, also inside Anys; texts read well after `path: ` and are fit for a NACK.

import { type FieldError, joinPath } from '../common/result.ts';
import {
  constraintsOf,
  type DurationRules,
  type EnumRules,
  type FieldRules,
  type NumberRules,
  type StringRules,
} from './constraints.ts';
import { isRecord } from './plain.ts';
import { enumType, type FieldDescriptor, messageType } from './root.ts';
import { isNoRecord, isTypedStruct, wrappedField } from './special-types.ts';
import { typeNameOf } from './type-urls.ts';
import { formatDuration } from './well-known.ts';

/** Every violated rule of a message and of all messages in it. Empty = valid. */
export function validateMessage(typeName: string, plain: object): FieldError[] {
  const errors: FieldError[] = [];
  visitMessage(typeName, plain, '', errors, checkMessage);
  return errors;
}

/** What deprecatedFields says of each. */
export const DEPRECATED = 'is deprecated';

/** Uses of deprecated fields, for warnings. */
export function deprecatedFields(typeName: string, plain: object): FieldError[] {
  const warnings: FieldError[] = [];
  visitMessage(typeName, plain, '', warnings, (name, message, path) => {
    for (const field of constraintsOf(name)?.deprecated ?? []) {
      if (message[field] === undefined) continue;
      warnings.push({ path: joinPath(path, field), message: DEPRECATED });
    }
  });
  return warnings;
}

const DURATION = 'google.protobuf.Duration';

type PlainRecord = Readonly<Record<string, unknown>>;
type Visit = (typeName: string, message: PlainRecord, path: string, errors: FieldError[]) => void;

/** Calls `visit` for a message and, depth first, all messages in it. Nesting is bounded by the readers. */
function visitMessage(
  typeName: string,
  plain: unknown,
  path: string,
  errors: FieldError[],
  visit: Visit,
): void {
  if (!isRecord(plain)) return;
  if (typeName === 'google.protobuf.Any') {
    visitAny(plain, path, errors, visit);
    return;
  }
  const hasRules = typeName === DURATION || !typeName.startsWith('google.protobuf.');
  if (!hasRules) return;
  visit(typeName, plain, path, errors);
  const rules = constraintsOf(typeName)?.fields;
  for (const field of messageType(typeName).fields) {
    const value = plain[field.name];
    if (field.kind !== 'message' || value === undefined) continue;
    if (rules?.[field.name]?.message?.skip === true) continue;
    for (const [itemPath, item] of itemsOf(field, value, joinPath(path, field.name))) {
      visitMessage(field.typeName, item, itemPath, errors, visit);
    }
  }
}

function visitAny(any: PlainRecord, path: string, errors: FieldError[], visit: Visit): void {
  const { type_url: url, type_name: typeName, message } = any;
  if (typeof url !== 'string' || typeof typeName !== 'string' || !isRecord(message)) return;
  if (isNoRecord(typeName)) {
    if (typeName === 'google.protobuf.Any')
      visitMessage(typeName, message['value'], path, errors, visit);
    return;
  }
  const inner = isTypedStruct(typeNameOf(url)) ? joinPath(path, 'value') : path;
  visitMessage(typeName, message, inner, errors, visit);
}

function itemsOf(field: FieldDescriptor, value: unknown, path: string): [string, unknown][] {
  if (field.mapKey !== null) {
    return isRecord(value)
      ? Object.entries(value).map(([key, item]) => [
          joinPath(path, `[${JSON.stringify(key)}]`),
          item,
        ])
      : [];
  }
  if (!field.isRepeated) return [[path, value]];
  return Array.isArray(value)
    ? value.map((item, index) => [joinPath(path, `[${index}]`), item])
    : [];
}

/** The rules of one message's own fields. */
function checkMessage(
  typeName: string,
  message: PlainRecord,
  path: string,
  errors: FieldError[],
): void {
  if (typeName === DURATION) {
    checkDuration(message, path, errors);
    return;
  }
  const constraints = constraintsOf(typeName);
  if (constraints === null) return;
  const type = messageType(typeName);
  for (const oneof of constraints.requiredOneofs ?? []) {
    const members = type.oneofs.get(oneof) ?? [];
    if (members.some((member) => message[member.name] !== undefined)) continue;
    const names = members.map((member) => member.name);
    errors.push({
      path,
      message:
        names.length === 1 ? `${names[0]} is required` : `one of ${names.join(', ')} is required`,
    });
  }
  for (const [name, rules] of Object.entries(constraints.fields ?? {})) {
    const field = type.byName.get(name);
    if (field === undefined) throw new Error(`constraints of ${typeName} name ${name}`);
    checkField(field, rules, message[name], joinPath(path, name), errors);
  }
}

/** Envoy refuses every negative duration when it reads one ("Expected positive duration"), whatever the rules of its field. */
function checkDuration(duration: PlainRecord, path: string, errors: FieldError[]): void {
  // The rules of the field may have said it already.
  if (nanosOf(duration) >= 0n || errors.some((error) => error.path === path)) return;
  errors.push({ path, message: 'must not be negative' });
}

function checkField(
  field: FieldDescriptor,
  rules: FieldRules,
  value: unknown,
  path: string,
  errors: FieldError[],
): void {
  if (field.mapKey !== null) checkMap(field, rules, isRecord(value) ? value : {}, path, errors);
  else if (field.isRepeated)
    checkList(field, rules, Array.isArray(value) ? value : [], path, errors);
  else checkValue(field, rules, value, path, errors);
}

function checkList(
  field: FieldDescriptor,
  rules: FieldRules,
  list: readonly unknown[],
  path: string,
  errors: FieldError[],
): void {
  const { min_items: min, max_items: max, unique, items } = rules.repeated ?? {};
  if (min !== undefined && list.length < min) {
    errors.push({
      path,
      message: min === 1 ? 'must not be empty' : `must have at least ${min} items`,
    });
  }
  if (max !== undefined && list.length > max) {
    errors.push({ path, message: `must have at most ${max} items, got ${list.length}` });
  }
  if (unique === true && new Set(list).size < list.length) {
    errors.push({ path, message: 'must not contain a value twice' });
  }
  if (items === undefined) return;
  for (const [index, item] of list.entries()) {
    checkValue(field, items, item, joinPath(path, `[${index}]`), errors);
  }
}

function checkMap(
  field: FieldDescriptor,
  rules: FieldRules,
  map: PlainRecord,
  path: string,
  errors: FieldError[],
): void {
  const { min_pairs: min, max_pairs: max, keys, values } = rules.map ?? {};
  const entries = Object.entries(map);
  if (min !== undefined && entries.length < min) {
    errors.push({
      path,
      message: min === 1 ? 'must not be empty' : `must have at least ${min} entries`,
    });
  }
  if (max !== undefined && entries.length > max) {
    errors.push({ path, message: `must have at most ${max} entries, got ${entries.length}` });
  }
  for (const [key, value] of entries) {
    const itemPath = joinPath(path, `[${JSON.stringify(key)}]`);
    const broken = keys?.string === undefined ? null : stringViolation(keys.string, key);
    if (broken !== null) errors.push({ path: itemPath, message: `the key ${broken}` });
    if (values !== undefined) checkValue(field, values, value, itemPath, errors);
  }
}

/** One value: of a singular field (then perhaps absent), a list item or a map value. */
function checkValue(
  field: FieldDescriptor,
  rules: FieldRules,
  value: unknown,
  path: string,
  errors: FieldError[],
): void {
  // Another member of the oneof may be set; whether one must be is the oneof's own rule.
  if (value === undefined && field.oneof !== null) return;
  const required =
    rules.message?.required === true ||
    rules.duration?.required === true ||
    rules.any?.required === true;
  if (value === undefined && required) {
    errors.push({ path, message: 'is required' });
    return;
  }
  // Rules of an absent scalar without presence apply to its default; else absence is always fine.
  if (value === undefined && field.hasPresence) return;
  const message = violation(field, rules, value);
  if (message !== null) errors.push({ path, message });
}

function violation(field: FieldDescriptor, rules: FieldRules, value: unknown): string | null {
  if (field.kind === 'message') return messageViolation(field, rules, value);
  if (field.kind === 'enum') {
    return rules.enum === undefined ? null : enumViolation(field.typeName, rules.enum, value);
  }
  return scalarViolation(field.kind, rules, value);
}

function scalarViolation(kind: string, rules: FieldRules, value: unknown): string | null {
  if (kind === 'string') {
    return rules.string === undefined ? null : stringViolation(rules.string, String(value ?? ''));
  }
  if (kind === 'bytes') {
    const bytes = value instanceof Uint8Array ? value : new Uint8Array();
    return rules.bytes === undefined ? null : bytesViolation(rules.bytes, bytes);
  }
  if (kind === 'bool') {
    const wanted = rules.bool?.const;
    return wanted === undefined || (value ?? false) === wanted ? null : `must be ${wanted}`;
  }
  const { double, float, int32, uint32, int64, uint64 } = rules;
  const numberRules = double ?? float ?? int32 ?? uint32 ?? int64 ?? uint64;
  return numberRules === undefined ? null : numberViolation(numberRules, Number(value ?? 0));
}

function messageViolation(
  field: FieldDescriptor,
  rules: FieldRules,
  value: unknown,
): string | null {
  if (!isRecord(value)) return null;
  if (rules.duration !== undefined) return durationViolation(rules.duration, value);
  if (rules.any?.in !== undefined) {
    const allowed = listOf(rules.any.in);
    return allowed.includes(String(value['type_url']))
      ? null
      : `must be one of ${allowed.join(', ')}`;
  }
  // The rules of a wrapper field are about the value inside.
  const inner = wrappedField(messageType(field.typeName));
  return inner === null ? null : scalarViolation(inner.kind, rules, value['value']);
}

function numberViolation(rules: NumberRules, value: number): string | null {
  if (rules.const !== undefined && value !== rules.const)
    return `must be ${rules.const}, got ${value}`;
  const broken = rangeViolation(value, rules, String);
  // 0 mostly means absent: then there is nothing that was got.
  if (broken !== null) return value === 0 ? broken : `${broken}, got ${value}`;
  if (rules.in !== undefined && !listOf(rules.in).includes(value)) {
    return `must be one of ${listOf(rules.in).join(', ')}, got ${value}`;
  }
  if (rules.not_in !== undefined && listOf(rules.not_in).includes(value))
    return `must not be ${value}`;
  return null;
}

function durationViolation(rules: DurationRules, value: PlainRecord): string | null {
  const range = {
    lt: rules.lt && nanosOf(rules.lt),
    lte: rules.lte && nanosOf(rules.lte),
    gt: rules.gt && nanosOf(rules.gt),
    gte: rules.gte && nanosOf(rules.gte),
  };
  return rangeViolation(nanosOf(value), range, durationText);
}

interface Range<T> {
  readonly lt?: T | undefined;
  readonly lte?: T | undefined;
  readonly gt?: T | undefined;
  readonly gte?: T | undefined;
}

/** PGV: a lower bound above the upper one means "outside of what is between them". */
function rangeViolation<T extends number | bigint>(
  value: T,
  { lt, lte, gt, gte }: Range<T>,
  text: (bound: T) => string,
): string | null {
  const lower = gt ?? gte;
  const upper = lt ?? lte;
  const isAbove = lower === undefined || (gt === undefined ? value >= lower : value > lower);
  const isBelow = upper === undefined || (lt === undefined ? value <= upper : value < upper);
  const above = lower === undefined ? '' : `${gt === undefined ? '>=' : '>'} ${text(lower)}`;
  const below = upper === undefined ? '' : `${lt === undefined ? '<=' : '<'} ${text(upper)}`;
  if (lower !== undefined && upper !== undefined && lower > upper) {
    return isAbove || isBelow ? null : `must be ${above} or ${below}`;
  }
  if (!isAbove) return `must be ${above}`;
  return isBelow ? null : `must be ${below}`;
}

interface DurationParts {
  readonly seconds?: unknown;
  readonly nanos?: unknown;
}

function nanosOf({ seconds, nanos }: DurationParts): bigint {
  // Seconds of a decoded duration may be any double.
  return BigInt(Math.trunc(Number(seconds ?? 0))) * 1_000_000_000n + BigInt(Number(nanos ?? 0));
}

function durationText(nanos: bigint): string {
  const second = 1_000_000_000n;
  const text = formatDuration({ seconds: Number(nanos / second), nanos: Number(nanos % second) });
  return text === '0s' ? '0' : text;
}

function enumViolation(typeName: string, rules: EnumRules, value: unknown): string | null {
  const type = enumType(typeName);
  const number = typeof value === 'number' ? value : (type.numberOf.get(String(value)) ?? 0);
  const name = type.nameOf.get(number) ?? String(number);
  if (rules.defined_only === true && !type.nameOf.has(number)) {
    return `${number} is not a value of ${typeName}`;
  }
  const forbidden = rules.not_in === undefined ? [] : listOf(rules.not_in);
  if (forbidden.includes(number)) return `must not be ${name}`;
  const allowed = rules.in === undefined ? null : listOf(rules.in);
  const isAllowed = allowed === null || allowed.includes(number);
  if (!isAllowed) return `must not be ${name}`;
  return rules.const === undefined || rules.const === number
    ? null
    : `must be ${type.nameOf.get(rules.const)}, got ${name}`;
}

function stringViolation(rules: StringRules, value: string): string | null {
  if (rules.ignore_empty === true && value === '') return null;
  if (rules.const !== undefined && value !== rules.const)
    return `must be ${JSON.stringify(rules.const)}`;
  const length = rules.min_len === undefined && rules.max_len === undefined ? 0 : [...value].length;
  return (
    lengthViolation(length, rules.min_len, rules.max_len, 'characters') ??
    lengthViolation(Buffer.byteLength(value), rules.min_bytes, rules.max_bytes, 'bytes') ??
    textViolation(rules, value)
  );
}

function bytesViolation(rules: StringRules, value: Uint8Array): string | null {
  return lengthViolation(value.length, rules.min_len, rules.max_len, 'bytes');
}

function lengthViolation(
  length: number,
  min: number | undefined,
  max: number | undefined,
  unit: string,
): string | null {
  if (min !== undefined && length < min) {
    return min === 1 ? 'must not be empty' : `must have at least ${min} ${unit}, got ${length}`;
  }
  return max !== undefined && length > max
    ? `must have at most ${max} ${unit}, got ${length}`
    : null;
}

function textViolation(rules: StringRules, value: string): string | null {
  if (rules.pattern !== undefined && !regexOf(rules.pattern).test(value)) {
    return `must match the regex ${rules.pattern}`;
  }
  if (rules.prefix !== undefined && !value.startsWith(rules.prefix)) {
    return `must start with ${JSON.stringify(rules.prefix)}`;
  }
  if (rules.suffix !== undefined && !value.endsWith(rules.suffix)) {
    return `must end with ${JSON.stringify(rules.suffix)}`;
  }
  if (rules.in !== undefined && !listOf(rules.in).includes(value)) {
    return `must be one of ${listOf(rules.in)
      .map((text) => JSON.stringify(text))
      .join(', ')}`;
  }
  if (rules.well_known_regex === undefined) return null;
  if (isHeaderText(rules.well_known_regex, rules.strict !== false, value)) return null;
  const isHeaderName = rules.well_known_regex === 'HTTP_HEADER_NAME';
  return `has characters that an HTTP header ${isHeaderName ? 'name' : 'value'} must not have`;
}

const headerName = /^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$/;

/** PGV's well_known_regex. Not strict: only NUL, CR and LF are refused. */
function isHeaderText(
  kind: 'HTTP_HEADER_NAME' | 'HTTP_HEADER_VALUE',
  isStrict: boolean,
  text: string,
): boolean {
  if (kind === 'HTTP_HEADER_NAME' && isStrict) return headerName.test(text);
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0 || code === 10 || code === 13) return false;
    if (isStrict && ((code < 32 && code !== 9) || code === 127)) return false;
  }
  return true;
}

const regexes = new Map<string, RegExp>();

/** The patterns are the API's own (a handful, simple): RegExp reads them as RE2 does. */
function regexOf(pattern: string): RegExp {
  let regex = regexes.get(pattern);
  if (regex === undefined) {
    regex = new RegExp(pattern, 'u');
    regexes.set(pattern, regex);
  }
  return regex;
}

function listOf<T>(values: readonly T[] | T): readonly T[] {
  return Array.isArray(values) ? values : [values as T]; // not an array, so one value
}
