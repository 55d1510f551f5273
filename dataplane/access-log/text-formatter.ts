// A compiled format string. Made by formatter.ts; json-formatter.ts uses it for mixed leaves.

import type { LogContext } from '../api/access-log.ts';
import type { Operator } from './operator.ts';

/** Makes one line (or header value) of a context. */
export interface Formatter {
  format(context: LogContext): string;
}

/** A compiled text: literal, operator, literal, operator, ..., literal. */
export class TextFormatter implements Formatter {
  /** literals[i] stands before operators[i]; one more at the end. */
  readonly literals: readonly string[];
  readonly operators: readonly Operator[];
  readonly #missing: string;

  constructor(literals: readonly string[], operators: readonly Operator[], missing: string) {
    this.literals = literals;
    this.operators = operators;
    this.#missing = missing;
  }

  format(context: LogContext): string {
    const { literals, operators } = this;
    let line = literals[0]!;
    for (let i = 0; i < operators.length; i++) {
      line += operators[i]!.text(context) ?? this.#missing;
      line += literals[i + 1]!;
    }
    return line;
  }
}
