// core.v3.ConfigSource compiled: where a resource that something names comes from. Plain data, made by
// compile/config-source.ts, carried by every ResourceReference, opened by xds/. Knows no resource.

import type { GrpcTarget } from './grpc-target.ts';

interface SourceBase {
  /** Equal keys = one source: one connection (or file watch), one store. `initialFetchTimeoutMs` is no part of it. */
  readonly key: string;
  /** initial_fetch_timeout of who refers; default 15 000, 0 = wait without end. */
  readonly initialFetchTimeoutMs: number;
}

/** `ads`: the aggregated stream of the bootstrap. Its key is `ads`. */
export interface AdsSource extends SourceBase {
  readonly kind: 'ads';
}

/** `api_config_source` of type GRPC or DELTA_GRPC: an own stream per resource type. */
export interface GrpcSource extends SourceBase {
  readonly kind: 'grpc';
  readonly api: GrpcApiConfig;
}

/** `api_config_source` of type REST: polled. */
export interface RestSource extends SourceBase {
  readonly kind: 'rest';
  /** Of the cluster that cluster_names names. */
  readonly target: GrpcTarget;
  /** Between an answer and the next request; up to as much again is added by chance. */
  readonly refreshDelayMs: number;
  readonly requestTimeoutMs: number;
}

/** `path_config_source` or the deprecated `path`. */
export interface PathSource extends SourceBase {
  readonly kind: 'path';
  readonly path: string;
  /** watched_directory.path: anything that is moved into it tells that the file is new; '' = the file itself. */
  readonly watchedDirectory: string;
  /** watched_directory.watch_modify: files written in place tell it too. */
  readonly watchModify: boolean;
  /** poll_interval: looked at as often; 0 = only when told. */
  readonly pollIntervalMs: number;
}

export type ConfigSource = AdsSource | GrpcSource | RestSource | PathSource;

/** How to talk to gRPC management servers: of ads_config and of api_config_source alike. */
export interface GrpcApiConfig {
  readonly protocol: 'DELTA_GRPC' | 'GRPC';
  /** One or two: the second is asked while the first was never reached. */
  readonly services: readonly GrpcServiceConfig[];
  readonly setNodeOnFirstMessageOnly: boolean;
  /** rate_limit_settings; null = none. */
  readonly rateLimit: RequestRateLimit | null;
}

/** core.v3.GrpcService. */
export interface GrpcServiceConfig {
  readonly target: GrpcTarget;
  /** Metadata sent with the stream. */
  readonly initialMetadata: readonly { readonly key: string; readonly value: string }[];
  /** Reconnect back-off; Envoy's defaults are 500 and 30 000. */
  readonly backoffBaseMs: number;
  readonly backoffMaxMs: number;
  /** Null = our default. */
  readonly maxReceiveMessageBytes: number | null;
}

/** Token bucket of requests to a management server. */
export interface RequestRateLimit {
  readonly maxTokens: number;
  /** Tokens per second. */
  readonly fillRate: number;
}

export const DEFAULT_INITIAL_FETCH_TIMEOUT_MS = 15_000;

/** The aggregated stream, waited for as long as usual. */
export const adsSource: AdsSource = {
  kind: 'ads',
  key: 'ads',
  initialFetchTimeoutMs: DEFAULT_INITIAL_FETCH_TIMEOUT_MS,
};

/** Stands in no name of a resource (config/resource-compiler.ts refuses it) and in no key. */
const SEPARATOR = '\0';

/**
 * Under what the data plane knows a resource. Of the aggregated stream that is its name; the same name of another
 * source is another resource.
 */
export function resourceId(name: string, source: ConfigSource): string {
  return source.kind === 'ads' ? name : `${name}${SEPARATOR}${source.key}`;
}

/** The name in an id, for people. */
export function nameOfId(id: string): string {
  const end = id.indexOf(SEPARATOR);
  return end < 0 ? id : id.slice(0, end);
}

/** Whether a name could be mistaken for an id. */
export function isUsableName(name: string): boolean {
  return !name.includes(SEPARATOR);
}

/** Names all resources of a kind that a source has (LDS, CDS); as on the wire. */
export const WILDCARD = '*';
