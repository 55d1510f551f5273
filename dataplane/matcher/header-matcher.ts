// config.route.v3.HeaderMatcher at run time; used by routes, RBAC, retry policies, access-log filters.

import type { HeaderMatcherData } from '../api/matcher-data.ts';
import { StringMatcher } from './string-matcher.ts';

/** Both header classes of api/headers.ts; null = no such header, several values are joined by ','. */
export interface ReadableHeaders {
  get(name: string): string | null;
}

/** What absl::SimpleAtoi takes: optional blanks around an optional sign and digits. */
const INTEGER = /^\s*[+-]?[0-9]+\s*$/;

/** A compiled matcher; immutable. */
export class HeaderMatcher {
  readonly #name: string;
  readonly #string: StringMatcher | null;
  readonly #isPresentMatch: boolean;
  readonly #present: boolean;
  readonly #start: number;
  readonly #end: number;
  readonly #invert: boolean;
  readonly #treatMissingAsEmpty: boolean;

  constructor(data: HeaderMatcherData) {
    const match = data.match;
    this.#name = data.name;
    this.#string = match.kind === 'string' ? new StringMatcher(match.matcher) : null;
    this.#isPresentMatch = match.kind === 'present';
    this.#present = match.kind === 'present' && match.present;
    this.#start = match.kind === 'range' ? match.start : 0;
    this.#end = match.kind === 'range' ? match.end : 0;
    this.#invert = data.invert;
    this.#treatMissingAsEmpty = data.treatMissingAsEmpty;
  }

  matches(headers: ReadableHeaders): boolean {
    const value = headers.get(this.#name);
    if (value === null && !this.#treatMissingAsEmpty) {
      // Envoy: a missing header matches nothing, inverted or not, unless presence itself is asked for.
      return this.#isPresentMatch && this.#present === this.#invert;
    }
    return this.#matchesValue(value ?? '') !== this.#invert;
  }

  #matchesValue(value: string): boolean {
    if (this.#string !== null) return this.#string.match(value);
    if (this.#isPresentMatch) return this.#present;
    if (!INTEGER.test(value)) return false;
    const number = Number(value);
    return number >= this.#start && number < this.#end;
  }
}

/** True when every matcher matches; an empty list matches all. */
export function matchesAllHeaders(
  matchers: readonly HeaderMatcher[],
  headers: ReadableHeaders,
): boolean {
  for (let i = 0; i < matchers.length; i++) if (!matchers[i]!.matches(headers)) return false;
  return true;
}
