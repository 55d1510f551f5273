// %FILTER_STATE(key)% and %FILTER_STATE(key:PLAIN)%: what filters left for others to read. Forms as Envoy writes them:
// an object with fields as JSON, with names in camelCase where it becomes a text; a bare string only as PLAIN.

import { byteString } from '../../common/byte-string.ts';
import type { LogContext } from '../api/access-log.ts';
import type { FilterStateObject } from '../api/stream-info.ts';
import type { Operator } from './operator.ts';

class FilterStateOperator implements Operator {
  readonly #key: string;
  readonly #isPlain: boolean;
  readonly #maxLength: number;

  constructor(key: string, isPlain: boolean, maxLength: number | null) {
    this.#key = key;
    this.#isPlain = isPlain;
    this.#maxLength = maxLength ?? Number.POSITIVE_INFINITY;
  }

  text(context: LogContext): string | null {
    if (this.#isPlain) return this.#plain(context);
    const value = this.#typed(context);
    if (value === null) return null;
    const fields = value.fields();
    if (typeof fields === 'string') return this.#cut(byteString(JSON.stringify(fields)));
    const named = Object.entries(fields).map(([name, field]) => [camelCase(name), field]);
    return this.#cut(byteString(JSON.stringify(Object.fromEntries(named))));
  }

  json(context: LogContext): string | null {
    if (this.#isPlain) {
      const text = this.#plain(context);
      return text === null ? null : JSON.stringify(text);
    }
    const value = this.#typed(context);
    // As in Envoy, a length cuts texts only.
    return value === null ? null : byteString(JSON.stringify(value.fields()));
  }

  #plain({ streamInfo }: LogContext): string | null {
    const value = streamInfo.filterState?.get(this.#key);
    if (value === undefined) return null;
    return this.#cut(byteString(typeof value === 'string' ? value : value.plain()));
  }

  #typed({ streamInfo }: LogContext): FilterStateObject | null {
    const value = streamInfo.filterState?.get(this.#key);
    return value === undefined || typeof value === 'string' ? null : value;
  }

  #cut(text: string): string {
    return text.length <= this.#maxLength ? text : text.slice(0, this.#maxLength);
  }
}

/** `key`, `key:PLAIN` or `key:TYPED`; a string = what is wrong. */
export function filterState(argument: string, maxLength: number | null): Operator | string {
  const [key = '', form = 'TYPED', ...more] = argument.split(':');
  if (more.length > 0 || (form !== 'PLAIN' && form !== 'TYPED')) {
    return 'expected KEY, KEY:PLAIN or KEY:TYPED';
  }
  return new FilterStateOperator(key, form === 'PLAIN', maxLength);
}

/** `request_message_count` -> `requestMessageCount`, as protobuf's JSON. */
function camelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_whole, letter: string) => letter.toUpperCase());
}
