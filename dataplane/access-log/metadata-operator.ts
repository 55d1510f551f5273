// %DYNAMIC_METADATA(namespace:key:key)%: what filters noted about a request.

import { byteString } from '../../common/byte-string.ts';
import type { LogContext } from '../api/access-log.ts';
import type { Operator } from './operator.ts';

class MetadataOperator implements Operator {
  readonly #namespace: string;
  readonly #keys: readonly string[];
  readonly #maxLength: number;

  constructor(namespace: string, keys: readonly string[], maxLength: number | null) {
    this.#namespace = namespace;
    this.#keys = keys;
    this.#maxLength = maxLength ?? Number.POSITIVE_INFINITY;
  }

  /** A string stands for itself, anything else as JSON. */
  text(context: LogContext): string | null {
    const value = this.#lookUp(context);
    if (value === undefined || value === null) return null;
    const text = byteString(typeof value === 'string' ? value : JSON.stringify(value));
    return text.length <= this.#maxLength ? text : text.slice(0, this.#maxLength);
  }

  json(context: LogContext): string | null {
    const value = this.#lookUp(context);
    return value === undefined || value === null ? null : byteString(JSON.stringify(value));
  }

  #lookUp(context: LogContext): unknown {
    let value: unknown = context.streamInfo.dynamicMetadata?.[this.#namespace];
    for (const key of this.#keys) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return null;
      value = Reflect.get(value, key);
    }
    return value;
  }
}

/** `namespace`, `namespace:key`, `namespace:key:key`, ... */
export function dynamicMetadata(argument: string, maxLength: number | null): Operator {
  const [namespace = '', ...keys] = argument.split(':');
  return new MetadataOperator(namespace, keys, maxLength);
}
