// Finds every field that is set in a message and that we do not act upon, so that nothing is silently
// ignored. Called for static config and for each xDS resource, after decoding. The table is support/.

import { type FieldError, joinPath } from '../../common/result.ts';
import { isRecord } from '../../proto/plain.ts';
import { type FieldDescriptor, messageType } from '../../proto/root.ts';
import { isTypedStruct } from '../../proto/special-types.ts';
import { typeNameOf } from '../../proto/type-urls.ts';
import { supportOf } from './support/all.ts';
import type { FieldSupport } from './support/table.ts';

/** How every error of this file begins; it is all of it when a whole field is meant. */
export const UNSUPPORTED = 'not supported yet';

/** All errors read `<path>: not supported yet`, sometimes with what about it in parentheses. */
export function checkSupport(typeName: string, message: object): FieldError[] {
  const errors: FieldError[] = [];
  visitMessage(typeName, message, '', errors);
  return errors;
}

function visitMessage(
  typeName: string,
  message: unknown,
  path: string,
  errors: FieldError[],
): void {
  if (!isRecord(message)) return;
  if (typeName === 'google.protobuf.Any') {
    visitAny(message, path, errors);
    return;
  }
  if (typeName.startsWith('google.protobuf.')) return;
  const support = supportOf(typeName);
  // An extension that we do not have: whoever looks it up in the registry names it.
  if (support === null) return;
  const type = messageType(typeName);
  for (const [name, value] of Object.entries(message)) {
    const field = type.byName.get(name);
    if (field === undefined || value === undefined) continue;
    const at = joinPath(path, name);
    const fieldSupport = support[name];
    if (fieldSupport === undefined) errors.push({ path: at, message: UNSUPPORTED });
    else if (visitField(field, fieldSupport, value, at, errors)) {
      for (const [itemPath, item] of itemsOf(field, value, at)) {
        visitMessage(field.typeName, item, itemPath, errors);
      }
    }
  }
}

/** Returns whether there are messages below to look at. */
function visitField(
  field: FieldDescriptor,
  support: FieldSupport,
  value: unknown,
  path: string,
  errors: FieldError[],
): boolean {
  if (support !== 'yes' && 'only' in support) {
    const held = isRecord(value) && 'value' in value ? value['value'] : value;
    for (const item of Array.isArray(held) ? held : [held]) {
      if (!support.only.includes(item)) errors.push({ path, message: `${UNSUPPORTED} (${item})` });
    }
    return false;
  }
  return field.kind === 'message';
}

function visitAny(
  any: Readonly<Record<string, unknown>>,
  path: string,
  errors: FieldError[],
): void {
  const { type_url: url, type_name: typeName, message } = any;
  if (typeof url !== 'string' || typeof typeName !== 'string') return;
  const inside = isTypedStruct(typeNameOf(url)) ? joinPath(path, 'value') : path;
  visitMessage(typeName, message, inside, errors);
}

function itemsOf(
  field: FieldDescriptor,
  value: unknown,
  path: string,
): readonly (readonly [string, unknown])[] {
  if (field.mapKey !== null) {
    if (!isRecord(value)) return [];
    return Object.entries(value).map(([key, item]) => [`${path}[${JSON.stringify(key)}]`, item]);
  }
  if (!field.isRepeated) return [[path, value]];
  return Array.isArray(value) ? value.map((item, i) => [`${path}[${i}]`, item]) : [];
}
