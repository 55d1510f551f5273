// What every operator of a format is: one value of a log context.

import type { LogContext } from '../api/access-log.ts';

/** One compiled operator. Texts are byte strings (see byte-string.ts). */
export interface Operator {
  /** Null = there is no such value. */
  text(context: LogContext): string | null;
  /** The value as JSON text, typed; null = there is no such value. */
  json(context: LogContext): string | null;
}
