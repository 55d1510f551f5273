// envoy.filters.listener.proxy_protocol: main-thread half.

import type { FieldError, Result } from '../../../../common/result.ts';
import type { ProxyProtocolProto } from '../../../../proto/gen/types.ts';
import type { CompileContext, ExtensionConfigFactory } from '../../../api/factory.ts';
import { Compilation } from '../../../compile/compilation.ts';
import type { ProxyProtocolData, TlvRule } from './data.ts';

const DEFAULT_NAMESPACE = 'envoy.filters.listener.proxy_protocol';

/** ProxyProtocol -> ProxyProtocolData. */
export const proxyProtocol: ExtensionConfigFactory<ProxyProtocolProto> = {
  name: 'envoy.filters.listener.proxy_protocol',
  category: 'listener-filter',
  configTypes: ['envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol'],
  compile(config: ProxyProtocolProto, context: CompileContext): Result<unknown, FieldError[]> {
    const compilation = new Compilation(context);
    const disallowed = config.disallowed_versions ?? [];
    const allowsV1 = !disallowed.includes('V1');
    const allowsV2 = !disallowed.includes('V2');
    if (!allowsV1 && !allowsV2) {
      compilation.fail('disallowed_versions', 'all proxy protocol versions are disallowed');
    }
    const data: ProxyProtocolData = {
      rules: compileRules(config),
      allowRequestsWithoutProxyProtocol: config.allow_requests_without_proxy_protocol ?? false,
      passThroughTlvs: compilePassThrough(config),
      allowsV1,
      allowsV2,
      statPrefix: config.stat_prefix ?? '',
    };
    return compilation.result(data);
  },
};

function compileRules({ rules = [] }: ProxyProtocolProto): TlvRule[] {
  // A rule without on_tlv_present does nothing in Envoy either.
  return rules.flatMap(({ tlv_type = 0, on_tlv_present: present }) =>
    present === undefined
      ? []
      : [
          {
            tlvType: tlv_type,
            metadataNamespace: present.metadata_namespace ?? DEFAULT_NAMESPACE,
            key: present.key ?? '',
          },
        ],
  );
}

function compilePassThrough({
  pass_through_tlvs: pass,
}: ProxyProtocolProto): ProxyProtocolData['passThroughTlvs'] {
  if (pass === undefined) return [];
  return pass.match_type === 'INCLUDE' ? (pass.tlv_type ?? []) : 'all';
}
