// Puts texts into filter state, for logs, tcp_proxy and hash policies: what set_filter_state does.

import { xxhash64Text } from '../../../../common/xxhash64.ts';
import { createFormatter } from '../../../access-log/formatter.ts';
import type { LogContext } from '../../../api/access-log.ts';
import type { FilterStateObject } from '../../../api/stream-info.ts';
import type { FilterStateValueData } from './data.ts';

/** Compiled values of one filter. Immutable. */
export class FilterStateValues {
  readonly #values: readonly {
    readonly data: FilterStateValueData;
    readonly formatter: ReturnType<typeof createFormatter>;
  }[];

  constructor(values: readonly FilterStateValueData[]) {
    this.#values = values.map((data) => ({ data, formatter: createFormatter(data.format) }));
  }

  /** Sets all of them, in order, in the filter state of the context's stream info. */
  set(context: LogContext): void {
    for (let i = 0; i < this.#values.length; i++) {
      const { data, formatter } = this.#values[i]!;
      const text = formatter.format(context);
      if (text === '' && data.skipIfEmpty) continue;
      const { streamInfo } = context;
      streamInfo.filterState ??= new Map();
      streamInfo.filterState.set(data.key, objectOf(data.kind, text));
    }
  }
}

/** `text` is latin1, one character per byte. */
function objectOf(kind: FilterStateValueData['kind'], text: string): string | FilterStateObject {
  const readable = Buffer.from(text, 'latin1').toString();
  switch (kind) {
    case 'string':
      return { plain: () => readable, fields: () => readable };
    case 'hashable_string':
      return { plain: () => readable, fields: () => readable, hash: () => xxhash64Text(text) };
    case 'tcp_proxy_cluster':
      return readable;
    default:
      return kind satisfies never;
  }
}
