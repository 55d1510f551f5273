// core.v3.ConfigSource -> ConfigSource, and how a message tells what it needs by discovery.

import { joinPath } from '../../common/result.ts';
import type { ConfigSourceProto } from '../../proto/gen/types.ts';
import { durationMsOr } from '../../proto/well-known.ts';
import {
  adsSource,
  type ConfigSource,
  DEFAULT_INITIAL_FETCH_TIMEOUT_MS,
  resourceId,
} from '../api/config/config-source.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { Compilation } from './compilation.ts';

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
  // The support table has already named any other kind of source that is set.
  const said = ['path', 'path_config_source', 'api_config_source'] as const;
  if (said.every((field) => source[field] === undefined)) compilation.fail(path, 'ads is required');
  return null;
}
