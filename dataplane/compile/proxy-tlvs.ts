// core.v3.ProxyProtocolConfig and TlvEntry: the PROXY headers that clusters, tcp_proxy and CONNECT routes write.

import type { ProxyProtocolConfigProto, TlvEntryProto } from '../../proto/gen/types.ts';
import type { UpstreamProxyProtocolConfig } from '../api/config/proxy-protocol.ts';
import type { ProxyProtocolTlv } from '../api/connection.ts';
import { type Compilation, mapItems } from './compilation.ts';

const MAX_TLV_BYTES = 65_535;

/** `path` = where `config` stands. */
export function compileProxyProtocol(
  config: ProxyProtocolConfigProto,
  path: string,
  compilation: Compilation,
): UpstreamProxyProtocolConfig {
  const { pass_through_tlvs: pass } = config;
  return {
    version: config.version === 'V2' ? 2 : 1,
    passThroughTlvs:
      pass === undefined ? [] : pass.match_type === 'INCLUDE' ? (pass.tlv_type ?? []) : 'all',
    addedTlvs: compileTlvs(config.added_tlvs, `${path}.added_tlvs`, compilation),
  };
}

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
