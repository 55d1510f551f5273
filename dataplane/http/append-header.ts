// core.v3.HeaderValueOption applied to a flat header list, as Envoy does it. Used by the header_mutation
// filter and wherever headers are added by config.

import { findField, type HeaderFields, removeField } from '../api/headers.ts';
import type { HeaderMutationData } from '../api/matcher-data.ts';

/** Headers that exist at most once in Envoy: appending joins with ',' instead of adding a line. */
const singleLine: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'content-type',
  'date',
  'expect',
  'grpc-timeout',
  'location',
  'server',
  'te',
  'upgrade',
  'user-agent',
  'via',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-request-id',
]);

/**
 * Applies one option with its formatted `value`. An empty value does nothing unless `keepEmptyValue`.
 * Overwriting moves the header to the end of the list, as Envoy does.
 */
export function applyHeaderOption(
  fields: HeaderFields,
  option: Pick<HeaderMutationData, 'name' | 'action' | 'keepEmptyValue'>,
  value: string,
): void {
  if (value === '' && !option.keepEmptyValue) return;
  const { name } = option;
  switch (option.action) {
    case 'APPEND_IF_EXISTS_OR_ADD': {
      const at = singleLine.has(name) ? findField(fields, name) : -1;
      if (at === -1) fields.push(name, value);
      else fields[at + 1] = `${fields[at + 1]!},${value}`;
      return;
    }
    case 'ADD_IF_ABSENT':
      if (findField(fields, name) === -1) fields.push(name, value);
      return;
    case 'OVERWRITE_IF_EXISTS_OR_ADD':
      removeField(fields, name);
      fields.push(name, value);
      return;
    case 'OVERWRITE_IF_EXISTS':
      if (removeField(fields, name) > 0) fields.push(name, value);
      return;
    default:
      option.action satisfies never;
  }
}
