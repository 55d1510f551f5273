// core.v3.ConfigSource -> ConfigSource, and how a message tells what it needs by discovery.

import { joinPath } from '../../common/result.ts';
import type {
  ApiConfigSourceProto,
  ConfigSourceProto,
  PathConfigSourceProto,
} from '../../proto/gen/types.ts';
import { durationMsOr } from '../../proto/well-known.ts';
import {
  adsSource,
  type ConfigSource,
  DEFAULT_INITIAL_FETCH_TIMEOUT_MS,
  type PathSource,
  type RestSource,
  resourceId,
} from '../api/config/config-source.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { Compilation } from './compilation.ts';
import { compileClusterTarget, compileGrpcApi } from './grpc-service.ts';

/** What a message names: a resource, and the field that says where it comes from. */
export interface SourcedName extends Omit<ResourceReference, 'source'> {
  readonly source: ConfigSourceProto | undefined;
  /** Of `source`. */
  readonly path: string;
}

/**
 * Tells that what is being compiled needs that resource, and returns the id under which the data plane will have it
 * (equal to the name when the source is unusable: the error is recorded).
 */
export function referTo(named: SourcedName, compilation: Compilation): string {
  const { source: proto, path, ...what } = named;
  const source = compileConfigSource(proto, path, compilation);
  if (source === null) return named.name;
  compilation.context.referTo({ ...what, source });
  return resourceId(named.name, source);
}

/** Null after recording why it cannot be used. */
export function compileConfigSource(
  source: ConfigSourceProto | undefined,
  path: string,
  compilation: Compilation,
): ConfigSource | null {
  if (source === undefined) {
    compilation.fail(path, 'is required');
    return null;
  }
  const initialFetchTimeoutMs = durationMsOr(
    source.initial_fetch_timeout,
    DEFAULT_INITIAL_FETCH_TIMEOUT_MS,
  );
  if (source.ads !== undefined) {
    if (compilation.context.adsProtocol === null) {
      compilation.fail(joinPath(path, 'ads'), 'needs dynamic_resources.ads_config');
    }
    return { ...adsSource, initialFetchTimeoutMs };
  }
  if (source.self !== undefined) {
    const parent = compilation.context.parentSource;
    if (parent !== null) return { ...parent, initialFetchTimeoutMs };
    compilation.fail(
      joinPath(path, 'self'),
      'means nothing in a bootstrap: it came from no server',
    );
    return null;
  }
  const base = { initialFetchTimeoutMs };
  if (source.path !== undefined) {
    return compilePath({ path: source.path }, joinPath(path, 'path'), base, compilation);
  }
  if (source.path_config_source !== undefined) {
    const at = joinPath(path, 'path_config_source');
    return compilePath(source.path_config_source, joinPath(at, 'path'), base, compilation);
  }
  if (source.api_config_source !== undefined) {
    const at = joinPath(path, 'api_config_source');
    return compileApi(source.api_config_source, at, base, compilation);
  }
  return null; // validation said so
}

type Base = Pick<ConfigSource, 'initialFetchTimeoutMs'>;

function compilePath(
  file: PathConfigSourceProto,
  at: string,
  base: Base,
  compilation: Compilation,
): PathSource {
  const { path = '', watched_directory: watched } = file;
  if (path.endsWith('.pb_text')) compilation.fail(at, 'not supported yet (protobuf text)');
  const read = compilation.context.readFile(path);
  if (!read.ok) compilation.fail(at, `must be a file that can be read: '${path}': ${read.errors}`);
  const where = {
    path,
    watchedDirectory: watched?.path ?? '',
    watchModify: watched?.watch_modify ?? false,
    pollIntervalMs: durationMsOr(file.poll_interval, 0),
  };
  return { ...base, kind: 'path', key: `path ${JSON.stringify(Object.values(where))}`, ...where };
}

function compileApi(
  config: ApiConfigSourceProto,
  path: string,
  base: Base,
  compilation: Compilation,
): ConfigSource | null {
  const { api_type: type } = config;
  const key = `${type} ${JSON.stringify(config)}`;
  switch (type) {
    case 'REST':
      return { ...base, kind: 'rest', key, ...compileRest(config, path, compilation) };
    case 'GRPC':
    case 'DELTA_GRPC':
      return { ...base, kind: 'grpc', key, api: compileGrpcApi(config, path, compilation) };
    case 'AGGREGATED_GRPC':
    case 'AGGREGATED_DELTA_GRPC':
      compilation.fail(joinPath(path, 'api_type'), `${type} is for sources of authorities only`);
      return null;
    default:
      compilation.fail(joinPath(path, 'api_type'), 'must be REST, GRPC or DELTA_GRPC');
      return null;
  }
}

const DEFAULT_REQUEST_TIMEOUT_MS = 1000;

function compileRest(
  config: ApiConfigSourceProto,
  path: string,
  compilation: Compilation,
): Pick<RestSource, 'refreshDelayMs' | 'requestTimeoutMs' | 'target'> {
  const [name = '', ...more] = config.cluster_names ?? [];
  const at = joinPath(path, 'cluster_names');
  if (name === '' || more.length > 0) compilation.fail(at, 'must have exactly one entry');
  if (config.grpc_services !== undefined) {
    compilation.fail(joinPath(path, 'grpc_services'), 'must not be set with api_type REST');
  }
  const delayPath = joinPath(path, 'refresh_delay');
  const refreshDelayMs = durationMsOr(config.refresh_delay, 0);
  if (config.refresh_delay === undefined) compilation.fail(delayPath, 'is required for REST');
  else if (refreshDelayMs <= 0) compilation.fail(delayPath, 'must be > 0');
  return {
    target: compileClusterTarget(name, `${at}[0]`, compilation),
    refreshDelayMs,
    requestTimeoutMs: durationMsOr(config.request_timeout, DEFAULT_REQUEST_TIMEOUT_MS),
  };
}
