// type.matcher.v3.RegexMatchAndSubstitute, compiled: of paths, hosts and what is hashed.

import { byteString } from '../../common/byte-string.ts';
import type { RegexRewriteData } from '../api/matcher-data.ts';
import { type CompiledRegex, compileRegex } from './regex.ts';

/** Immutable. */
export class RegexRewrite {
  readonly #regex: CompiledRegex;
  readonly #substitution: string;

  constructor(data: RegexRewriteData) {
    this.#regex = compileRegex(data.regex);
    this.#substitution = byteString(data.substitution);
  }

  /** Of a latin1 text: every match replaced. */
  apply(text: string): string {
    return this.#regex.replaceAll(text, this.#substitution);
  }
}
