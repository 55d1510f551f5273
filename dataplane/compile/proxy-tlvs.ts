// core.v3.TlvEntry lists: what is added to PROXY headers, by clusters and by tcp_proxy.

import type { TlvEntryProto } from '../../proto/gen/types.ts';
import type { ProxyProtocolTlv } from '../api/connection.ts';
import { type Compilation, mapItems } from './compilation.ts';

const MAX_TLV_BYTES = 65_535;

/** Static values; format_string is not supported. */
export function compileTlvs(
  entries: readonly TlvEntryProto[] | undefined,
  path: string,
  compilation: Compilation,
): ProxyProtocolTlv[] {
  return mapItems(entries, path, (tlv, at) => {
    const type = tlv.type ?? 0;
    const value = tlv.value ?? Buffer.alloc(0);
    if (type > 255) compilation.fail(`${at}.type`, 'must be < 256');
    if (value.length > MAX_TLV_BYTES) {
      compilation.fail(`${at}.value`, `must not be longer than ${MAX_TLV_BYTES} bytes`);
    }
    return { type, value: Uint8Array.from(value) };
  });
}
