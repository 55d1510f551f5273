// How management servers are reached, of xDS, load reports and delegated health checks alike: targets and credentials.

import { type ChannelCredentials, credentials, Metadata } from '@grpc/grpc-js';
import type { GrpcTarget } from '../api/config/bootstrap.ts';
import type { GrpcServiceConfig } from '../api/config/config-source.ts';
import type { JoinedMesh } from '../join/join-client.ts';
import { type AdsChannelFactory, grpcChannelFactory } from '../xds/ads-channel.ts';

/** A joined sidecar's channels go to its control plane, as itself. */
export function channelFactory(
  service: GrpcServiceConfig,
  membership: JoinedMesh | null,
): AdsChannelFactory {
  const { maxReceiveMessageBytes: maxResponseBytes } = service;
  const common = maxResponseBytes === null ? {} : { maxResponseBytes };
  if (membership !== null) {
    return grpcChannelFactory({
      ...common,
      target: membership.target,
      credentials: membership.credentials,
      metadata: membership.callMetadata,
      channelOptions: membership.channelOptions,
    });
  }
  const { target } = service;
  return grpcChannelFactory({
    ...common,
    target: grpcTarget(target),
    credentials: channelCredentials(target),
    metadata: () => {
      const metadata = new Metadata();
      for (const { key, value } of service.initialMetadata) metadata.add(key, value);
      return metadata;
    },
    channelOptions: {
      ...(target.authority === '' ? {} : { 'grpc.default_authority': target.authority }),
      ...(target.tls === null || target.tls.sni === ''
        ? {}
        : { 'grpc.ssl_target_name_override': target.tls.sni }),
      ...(target.keepalive === null
        ? {}
        : {
            'grpc.keepalive_time_ms': target.keepalive.intervalMs,
            'grpc.keepalive_timeout_ms': target.keepalive.timeoutMs,
          }),
    },
  });
}

/** Several IP literals make one `ipv4:` target, which grpc-js tries in turn; a name goes to its resolver. */
function grpcTarget({ addresses }: GrpcTarget): string {
  const literals = addresses.filter((address) => /^(\d+\.){3}\d+:\d+$/.test(address));
  if (literals.length === addresses.length) return `ipv4:${addresses.join(',')}`;
  const [first = ''] = addresses;
  return first.startsWith('[') ? `ipv6:${addresses.join(',')}` : `dns:${first}`;
}

function channelCredentials({ tls }: GrpcTarget): ChannelCredentials {
  if (tls === null) return credentials.createInsecure();
  const [source] = tls.certificates;
  const leaf = source?.kind === 'inline' ? source.certificate : null;
  const trustedCaPem = tls.validation.base?.trustedCaPem ?? '';
  return credentials.createSsl(
    trustedCaPem === '' ? null : Buffer.from(trustedCaPem),
    leaf === null ? null : Buffer.from(leaf.privateKeyPem),
    leaf === null ? null : Buffer.from(leaf.certificateChainPem),
  );
}
