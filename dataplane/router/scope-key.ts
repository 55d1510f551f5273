// Scope keys: the texts by which scoped routes are found. A request's is built once per route look-up by the connection
// manager's builder; a scope's comes from its configuration.

import type { ScopeFragmentData, ScopeKeyBuilderData } from '../api/config/scoped-routes.ts';
import { getField, type RequestHeaders } from '../api/headers.ts';

/** No header value holds it. */
const BETWEEN = '\0';
/** No header value holds that either: what cannot be matched is still no other key. */
const NEVER = '\n';

/** Of a scope. */
export function scopeKey(fragments: readonly string[]): string {
  return fragments.map((fragment) => fragment.replaceAll(BETWEEN, NEVER)).join(BETWEEN);
}

/** Of requests. One per connection manager and worker. */
export class ScopeKeyBuilder {
  readonly #fragments: ScopeKeyBuilderData;

  constructor(fragments: ScopeKeyBuilderData) {
    this.#fragments = fragments;
  }

  /** Null = the request lacks a part, and belongs to no scope. */
  keyOf(headers: RequestHeaders): string | null {
    const fragments = this.#fragments;
    let key = '';
    for (let i = 0; i < fragments.length; i++) {
      const fragment = fragments[i]!;
      const value = firstValue(headers, fragment.header);
      const part = value === null ? null : extract(value, fragment);
      if (part === null) return null;
      key = i === 0 ? part : key + BETWEEN + part;
    }
    return key;
  }
}

/** Untrusted, so that of several the first counts (Envoy). */
function firstValue(headers: RequestHeaders, name: string): string | null {
  const isField = name.charCodeAt(0) !== 0x3a && name !== 'host';
  return isField ? getField(headers.fields, name) : headers.get(name);
}

/** The element that is asked for, null = there is none. No list of elements is made. */
function extract(value: string, fragment: ScopeFragmentData): string | null {
  const { elementSeparator } = fragment;
  let start = 0;
  // The first one from `start` on, -1 = there is none any more; looked for once each, however many elements there are.
  let separatorAt = -2;
  for (let number = 0; ; number++) {
    const found = elementSeparator === '' ? -1 : value.indexOf(elementSeparator, start);
    const end = found === -1 ? value.length : found;
    if (fragment.kind === 'index') {
      if (number === fragment.index) return value.slice(start, end);
    } else {
      const { key, separator } = fragment;
      if (separatorAt !== -1 && separatorAt < start) separatorAt = value.indexOf(separator, start);
      const hasValue = separatorAt !== -1 && separatorAt + separator.length <= end;
      const keyEnd = hasValue ? separatorAt : end;
      // An element that is the key alone has an empty value.
      if (keyEnd - start === key.length && value.startsWith(key, start)) {
        return hasValue ? value.slice(keyEnd + separator.length, end) : '';
      }
    }
    if (found === -1) return null;
    start = found + elementSeparator.length;
  }
}
