// The head of the request that a tunnel is opened with: hostname and headers_to_add are formats over what is known
// of the connection. Compiled once per filter chain.

import { compileFormat, logFormatOptions } from '../../../access-log/formatter.ts';
import { compileMutations, type HeaderMutations } from '../../../access-log/header-mutations.ts';
import type { TextFormatter } from '../../../access-log/text-formatter.ts';
import { connectionLogContext } from '../../../api/access-log.ts';
import { RequestHeaders } from '../../../api/headers.ts';
import type { StreamInfo } from '../../../api/stream-info.ts';
import type { TunnelingData } from './data.ts';

/** What a formatted text may hold: names and values come from peers (SNI, PROXY TLVs). */
const hostText = /^[\x21-\x7e]+$/;
const valueText = /^[\t\x20-\x7e\x80-\xff]*$/;

export class TunnelRequest {
  readonly #data: TunnelingData;
  readonly #hostname: TextFormatter;
  readonly #mutations: HeaderMutations | null;

  constructor(data: TunnelingData) {
    this.#data = data;
    this.#hostname = compileFormat(data.hostname, logFormatOptions);
    this.#mutations = compileMutations({ add: data.headersToAdd, remove: [] });
  }

  /** Null = what the peer told makes no valid request; nothing of it may go upstream. */
  headers(streamInfo: StreamInfo): RequestHeaders | null {
    const { usePost, postPath } = this.#data;
    const context = connectionLogContext(streamInfo, 'NotSet');
    const hostname = this.#hostname.format(context);
    if (!hostText.test(hostname)) return null;
    const fields: string[] = [];
    this.#mutations?.apply(fields, context);
    for (const text of fields) if (!valueText.test(text)) return null;
    return usePost
      ? new RequestHeaders('POST', postPath, hostname, 'http', fields)
      : new RequestHeaders('CONNECT', '', hostname, 'http', fields);
  }
}
