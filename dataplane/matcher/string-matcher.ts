// type.matcher.v3.StringMatcher at run time: compiled once per config, called per request by routes,
// RBAC, retry policies and access-log filters. One class, so that call sites stay monomorphic.

import type { StringMatcherData } from '../api/matcher-data.ts';
import { type CompiledRegex, compileRegex } from './regex.ts';

const Kind = { Exact: 0, Prefix: 1, Suffix: 2, Contains: 3, Regex: 4 } as const;
type Kind = (typeof Kind)[keyof typeof Kind];

const kindOf: Readonly<Record<StringMatcherData['kind'], Kind>> = {
  exact: Kind.Exact,
  prefix: Kind.Prefix,
  suffix: Kind.Suffix,
  contains: Kind.Contains,
  regex: Kind.Regex,
};

/** Compiles one matcher. Throws when a regex is not RE2 (the main thread refused such configs before). */
export function compileStringMatcher(data: StringMatcherData): StringMatcher {
  return new StringMatcher(data);
}

/** A compiled matcher; immutable. */
export class StringMatcher {
  readonly #kind: Kind;
  /** Lower-cased already when case is ignored; '' for a regex. */
  readonly #value: string;
  readonly #ignoreCase: boolean;
  readonly #regex: CompiledRegex | null;

  constructor(data: StringMatcherData) {
    this.#kind = kindOf[data.kind];
    this.#value =
      data.kind === 'regex' ? '' : data.ignoreCase ? data.value.toLowerCase() : data.value;
    this.#ignoreCase = data.ignoreCase;
    this.#regex = data.kind === 'regex' ? compileRegex(data.value) : null;
  }

  match(text: string): boolean {
    const subject = this.#ignoreCase ? text.toLowerCase() : text;
    switch (this.#kind) {
      case Kind.Exact:
        return subject === this.#value;
      case Kind.Prefix:
        return subject.startsWith(this.#value);
      case Kind.Suffix:
        return subject.endsWith(this.#value);
      case Kind.Contains:
        return subject.includes(this.#value);
      case Kind.Regex:
        return this.#regex!.matches(subject);
    }
  }
}
