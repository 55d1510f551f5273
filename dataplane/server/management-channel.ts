// How management servers are reached by gRPC, of xDS, load reports and delegated health checks alike: targets and
// credentials.

import { type ChannelCredentials, credentials, Metadata } from '@grpc/grpc-js';
import type { GrpcServiceConfig } from '../api/config/config-source.ts';
import type { GrpcTarget } from '../api/config/grpc-target.ts';
import type { SecretData } from '../api/config/tls.ts';
import { CONTROL_PLANE_CLUSTER } from '../join/bootstrap.ts';
import type { JoinedMesh } from '../join/join-client.ts';
import { type AdsChannelFactory, grpcChannelFactory } from '../xds/ads-channel.ts';

/** Secrets that came by discovery, by id. */
export type SecretLookup = (id: string) => SecretData | undefined;

const noSecrets: SecretLookup = () => undefined;

/** A joined sidecar's channels to its control plane are its own self's. */
export function channelFactory(
  service: GrpcServiceConfig,
  membership: JoinedMesh | null,
  secrets: SecretLookup = noSecrets,
): AdsChannelFactory {
  return membership !== null && service.target.clusterName === CONTROL_PLANE_CLUSTER
    ? membershipChannels(service, membership)
    : serviceChannels(service, secrets);
}

/** Channels to one server; credentials are looked up anew for each, as secrets change. */
function serviceChannels(service: GrpcServiceConfig, secrets: SecretLookup): AdsChannelFactory {
  const { target, maxReceiveMessageBytes: maxResponseBytes } = service;
  return () =>
    grpcChannelFactory({
      ...(maxResponseBytes === null ? {} : { maxResponseBytes }),
      target: grpcTarget(target),
      credentials: channelCredentials(target, secrets),
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
    })();
}

/** Channels of a sidecar that joined a mesh: with the credentials that it was given there. */
function membershipChannels(service: GrpcServiceConfig, membership: JoinedMesh): AdsChannelFactory {
  const { maxReceiveMessageBytes: maxResponseBytes } = service;
  return grpcChannelFactory({
    ...(maxResponseBytes === null ? {} : { maxResponseBytes }),
    target: membership.target,
    credentials: membership.credentials,
    metadata: membership.callMetadata,
    channelOptions: membership.channelOptions,
  });
}

/** Several IP literals make one `ipv4:` target, which grpc-js tries in turn; a name goes to its resolver. */
function grpcTarget({ addresses }: GrpcTarget): string {
  const literals = addresses.filter((address) => /^(\d+\.){3}\d+:\d+$/.test(address));
  if (literals.length === addresses.length) return `ipv4:${addresses.join(',')}`;
  const [first = ''] = addresses;
  return first.startsWith('[') ? `ipv6:${addresses.join(',')}` : `dns:${first}`;
}

export interface TlsMaterial {
  /** '' = what the system trusts. */
  readonly trustedCaPem: string;
  readonly keyPem: string | null;
  readonly chainPem: string | null;
}

/** Of a TLS context with its secrets. Throws while a secret is not there yet: the attempt fails and is made again. */
export function tlsMaterial(
  { certificates, validation }: NonNullable<GrpcTarget['tls']>,
  secrets: SecretLookup,
): TlsMaterial {
  const [source] = certificates;
  let leaf = source?.kind === 'inline' ? source.certificate : null;
  if (source?.kind === 'sds') {
    const secret = secrets(source.name);
    if (secret?.kind !== 'tls_certificate') throw new Error('its certificate is not there yet');
    leaf = secret.certificate;
  }
  let trustedCaPem = validation.base?.trustedCaPem ?? '';
  if (validation.sdsName !== null) {
    const secret = secrets(validation.sdsName);
    if (secret?.kind !== 'validation_context') throw new Error('its roots are not there yet');
    trustedCaPem = secret.validation.trustedCaPem || trustedCaPem;
  }
  return {
    trustedCaPem,
    keyPem: leaf?.privateKeyPem ?? null,
    chainPem: leaf?.certificateChainPem ?? null,
  };
}

function channelCredentials({ tls }: GrpcTarget, secrets: SecretLookup): ChannelCredentials {
  if (tls === null) return credentials.createInsecure();
  const { trustedCaPem, keyPem, chainPem } = tlsMaterial(tls, secrets);
  return credentials.createSsl(
    trustedCaPem === '' ? null : Buffer.from(trustedCaPem),
    keyPem === null ? null : Buffer.from(keyPem),
    chainPem === null ? null : Buffer.from(chainPem),
  );
}
