// Regular expressions of the config (type.matcher.v3.RegexMatcher, RE2 syntax), compiled once per
// config and run per request. Patterns were checked as RE2 by the main thread. V8's engine runs those
// that provably cannot backtrack; RE2 in JavaScript runs the rest. Nobody else builds a RegExp from config.

import type { RE2JS } from 're2js';
import { loadRe2 } from '../../common/re2.ts';
import { isBacktrackFree } from './backtrack-free.ts';

/** A compiled pattern. Immutable; shared by all requests of a worker. */
export interface CompiledRegex {
  /** True when the whole text matches (Envoy's regex matchers are full matches). */
  matches(text: string): boolean;
  /** Replaces every match; `substitution` in RE2 form: `\1` a group, `\0` the match, `\\` a backslash. */
  replaceAll(text: string, substitution: string): string;
}

/** Compiles a pattern that RE2 accepts; throws what RE2 says of one that it does not. */
export function compileRegex(pattern: string): CompiledRegex {
  return isBacktrackFree(pattern) ? new NativeRegex(pattern) : new Re2Regex(pattern);
}

class NativeRegex implements CompiledRegex {
  readonly #pattern: string;
  readonly #full: RegExp;
  #search: CompiledRegex | null;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#full = new RegExp(`^(?:${pattern})$`);
    this.#search = null;
  }

  matches(text: string): boolean {
    return this.#full.test(text);
  }

  replaceAll(text: string, substitution: string): string {
    // The proof of linearity holds for anchored matches only; searching is RE2's.
    this.#search ??= new Re2Regex(this.#pattern);
    return this.#search.replaceAll(text, substitution);
  }
}

class Re2Regex implements CompiledRegex {
  readonly #pattern: RE2JS;

  constructor(pattern: string) {
    this.#pattern = loadRe2().compile(pattern);
  }

  matches(text: string): boolean {
    return this.#pattern.matches(text);
  }

  replaceAll(text: string, substitution: string): string {
    const matcher = this.#pattern.matcher(text);
    let replaced = '';
    let from = 0;
    while (matcher.find()) {
      replaced += text.slice(from, matcher.start());
      for (let i = 0; i < substitution.length; i++) {
        const char = substitution[i]!;
        if (char !== '\\') {
          replaced += char;
          continue;
        }
        i++;
        const escaped = substitution[i] ?? '\\';
        replaced +=
          escaped >= '0' && escaped <= '9' ? groupText(matcher, Number(escaped)) : escaped;
      }
      from = matcher.end();
    }
    return replaced + text.slice(from);
  }
}

/** A group that took no part in the match is empty. */
function groupText(matcher: ReturnType<RE2JS['matcher']>, group: number): string {
  return group <= matcher.groupCount() ? (matcher.group(group) ?? '') : '';
}
