// envoy.transport_sockets.raw_buffer, both directions: plaintext, the same as no transport_socket at all.

import { ok } from '../../../../common/result.ts';
import type { RawBufferProto } from '../../../../proto/gen/types.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

const name = 'envoy.transport_sockets.raw_buffer';
const configTypes = ['envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'];

/** The data is null: FilterChainConfig.tls of a plaintext chain. */
export const downstreamRawBufferSocket: ExtensionConfigFactory<RawBufferProto> = {
  name,
  category: 'downstream-transport-socket',
  configTypes,
  compile: () => ok(null),
};

/** The data is null: ClusterConfig.tls of a plaintext cluster. */
export const upstreamRawBufferSocket: ExtensionConfigFactory<RawBufferProto> = {
  name,
  category: 'upstream-transport-socket',
  configTypes,
  compile: () => ok(null),
};
