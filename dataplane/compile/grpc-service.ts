// core.v3.ApiConfigSource of type GRPC or DELTA_GRPC and core.v3.GrpcService -> how to talk to a management server.

import { joinPath } from '../../common/result.ts';
import type {
  ApiConfigSourceProto,
  GrpcServiceGoogleGrpcProto,
  GrpcServiceProto,
  RateLimitSettingsProto,
} from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import type {
  GrpcApiConfig,
  GrpcServiceConfig,
  RequestRateLimit,
} from '../api/config/config-source.ts';
import type { GrpcTarget } from '../api/config/grpc-target.ts';
import { noValidation, type UpstreamTlsConfig } from '../api/config/tls.ts';
import { type Compilation, mapItems } from './compilation.ts';
import { readText } from './data-source.ts';

const BACKOFF_BASE_MS = 500;
const BACKOFF_MAX_MS = 30_000;
const DEFAULT_CONNECT_TIMEOUT_MS = 5_000;
/** A primary and a failover. */
const MAX_SERVICES = 2;
/** Envoy: RateLimitSettings that are there but empty. */
const MAX_TOKENS = 100;
const FILL_RATE = 10;

/** Records an error when api_type is neither GRPC nor DELTA_GRPC. */
export function compileGrpcApi(
  config: ApiConfigSourceProto,
  path: string,
  compilation: Compilation,
): GrpcApiConfig {
  const { api_type: type, grpc_services: services, cluster_names: clusters } = config;
  if (type !== 'GRPC' && type !== 'DELTA_GRPC') {
    compilation.fail(joinPath(path, 'api_type'), 'must be GRPC or DELTA_GRPC');
  }
  if (clusters !== undefined) {
    compilation.fail(joinPath(path, 'cluster_names'), `must not be set with api_type ${type}`);
  }
  const at = joinPath(path, 'grpc_services');
  if (services === undefined || services.length > MAX_SERVICES) {
    compilation.fail(at, 'must have one entry, or two: a primary and a failover');
  }
  return {
    protocol: type === 'GRPC' ? 'GRPC' : 'DELTA_GRPC',
    services: mapItems(services, at, (service, below) =>
      compileGrpcService(service, below, compilation),
    ),
    setNodeOnFirstMessageOnly: config.set_node_on_first_message_only ?? false,
    rateLimit: compileRateLimit(config.rate_limit_settings),
  };
}

function compileRateLimit(settings: RateLimitSettingsProto | undefined): RequestRateLimit | null {
  if (settings === undefined) return null;
  return {
    maxTokens: wrapperOr(settings.max_tokens, MAX_TOKENS),
    fillRate: wrapperOr(settings.fill_rate, FILL_RATE),
  };
}

export function compileGrpcService(
  service: GrpcServiceProto,
  path: string,
  compilation: Compilation,
): GrpcServiceConfig {
  const envoy = service.envoy_grpc;
  const retry = envoy?.retry_policy?.retry_back_off;
  const backoffBaseMs = durationMsOr(retry?.base_interval, BACKOFF_BASE_MS);
  const backoffMaxMs = durationMsOr(
    retry?.max_interval,
    retry === undefined ? BACKOFF_MAX_MS : backoffBaseMs * 10,
  );
  if (backoffMaxMs < backoffBaseMs) {
    const at = joinPath(path, 'envoy_grpc.retry_policy.retry_back_off.max_interval');
    compilation.fail(at, 'must be >= base_interval');
  }
  return {
    target: compileTarget(service, path, compilation),
    initialMetadata: (service.initial_metadata ?? []).map(({ key, value }) => ({
      key: (key ?? '').toLowerCase(),
      value: value ?? '',
    })),
    backoffBaseMs,
    backoffMaxMs,
    maxReceiveMessageBytes: wrapperOr(envoy?.max_receive_message_length, null),
  };
}

const nowhere: GrpcTarget = {
  clusterName: '',
  addresses: [],
  authority: '',
  connectTimeoutMs: 0,
  tls: null,
  keepalive: null,
};

function compileTarget(
  service: GrpcServiceProto,
  path: string,
  compilation: Compilation,
): GrpcTarget {
  const { google_grpc: google, envoy_grpc: envoy } = service;
  if (google !== undefined) {
    return compileGoogleGrpc(google, joinPath(path, 'google_grpc'), compilation);
  }
  if (envoy === undefined) return nowhere; // validation said so
  const at = joinPath(path, 'envoy_grpc.cluster_name');
  const target = compileClusterTarget(envoy.cluster_name ?? '', at, compilation);
  return { ...target, authority: envoy.authority ?? '' };
}

/** A static cluster as the end of a connection of ours, by name. */
export function compileClusterTarget(
  name: string,
  path: string,
  compilation: Compilation,
): GrpcTarget {
  const target = compilation.context.clusterTarget(name);
  if (target.ok) return target.value;
  compilation.fail(path, target.errors);
  return nowhere;
}

/** google_grpc without credentials is plaintext; call credentials and plugins were refused. */
function compileGoogleGrpc(
  grpc: GrpcServiceGoogleGrpcProto,
  path: string,
  compilation: Compilation,
): GrpcTarget {
  const target = grpc.target_uri ?? '';
  const address = target.replace(/^(dns|ipv4|ipv6):(\/\/\/)?/, '');
  if (address === '' || address.includes('/') || !/:\d+$/.test(address)) {
    compilation.fail(
      `${path}.target_uri`,
      `must be host:port or dns:///host:port, not '${target}'`,
    );
  }
  return {
    clusterName: target,
    addresses: [address],
    authority: '',
    connectTimeoutMs: DEFAULT_CONNECT_TIMEOUT_MS,
    tls: compileSslCredentials(grpc, `${path}.channel_credentials.ssl_credentials`, compilation),
    keepalive: null,
  };
}

function compileSslCredentials(
  grpc: GrpcServiceGoogleGrpcProto,
  path: string,
  compilation: Compilation,
): UpstreamTlsConfig | null {
  const credentials = grpc.channel_credentials?.ssl_credentials;
  if (credentials === undefined) return null;
  const text = (field: 'root_certs' | 'private_key' | 'cert_chain'): string =>
    readText(credentials[field], `${path}.${field}`, compilation);
  const certificateChainPem = text('cert_chain');
  const privateKeyPem = text('private_key');
  const certificate = {
    certificateChainPem,
    privateKeyPem,
    password: '',
    ocspStaple: '',
    ocspExpiresMs: Number.MAX_SAFE_INTEGER,
    source: '<inline>',
  };
  return {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    cipherSuites: [],
    ecdhCurves: [],
    signatureAlgorithms: [],
    certificates: certificateChainPem === '' ? [] : [{ kind: 'inline', certificate }],
    validation: {
      base: { ...noValidation, trustedCaPem: text('root_certs') },
      sdsName: null,
    },
    alpnProtocols: ['h2'],
    keyLog: null,
    sni: '',
    autoHostSni: false,
    autoSniSanValidation: false,
    maxSessionKeys: 0,
    enforceRsaKeyUsage: false,
  };
}
