// config.route.v3.HeaderMatcher at run time; used by routes, RBAC, retry policies, access-log filters.

import type { HeaderMatcherData } from '../api/matcher-data.ts';
import { StringMatcher } from './string-matcher.ts';

/** Both header classes of api/headers.ts; null = no such header, several values are joined by ','. */
export interface ReadableHeaders {
  get(name: string): string | null;
}

/** The same with the flat list behind it. */
export interface ListedHeaders extends ReadableHeaders {
  /** See api/headers.ts. */
  readonly fields: readonly string[];
}

/**
 * How a header that was sent several times is read where a verdict hangs on it. The peer behind us may take
 * the first line, the last, or all of them joined, so a rule that looks at one reading only can be dodged.
 *   'each'   as Envoy's RBAC: some line matches, or, inverted, none does
 *   'some'   true when any reading says so: for what denies
 *   'every'  true when all readings say so: for what denies when it is false
 */
export type Reading = 'each' | 'some' | 'every';

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

  /** Like matches(), with the lines of a repeated header judged one by one. */
  matchesReading(headers: ListedHeaders, reading: Reading): boolean {
    const { fields } = headers;
    let lines = 0;
    let matching = 0;
    for (let i = 0; i < fields.length; i += 2) {
      if (fields[i] !== this.#name) continue;
      lines++;
      if (this.#matchesValue(fields[i + 1]!)) matching++;
    }
    switch (reading) {
      case 'each':
        return lines < 2 ? this.matches(headers) : matching > 0 !== this.#invert;
      case 'some': {
        const hit = this.#invert ? matching < lines : matching > 0;
        return hit || this.matches(headers) || (!this.#invert && this.#matchesElement(headers));
      }
      case 'every':
        return (this.#invert ? matching === 0 : matching === lines) && this.matches(headers);
    }
  }

  /** A list in one line is the same as its elements in lines of their own (RFC 9110 5.3). */
  #matchesElement(headers: ReadableHeaders): boolean {
    const joined = headers.get(this.#name);
    if (joined === null || !joined.includes(',')) return false;
    return joined.split(',').some((element) => this.#matchesValue(element.trim()));
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
