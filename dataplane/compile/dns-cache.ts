// The DNS cache of dynamic forward proxies: DnsCacheConfig of the cluster and of the HTTP filter, which meet by the
// cache's name.

import { joinPath } from '../../common/result.ts';
import type { DnsCacheConfigProto } from '../../proto/gen/types.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import {
  DNS_CACHE_SHARED_BYTES,
  type DnsCacheData,
  DnsCacheWord,
  systemDnsResolver,
} from '../api/config/dns.ts';
import type { Compilation } from './compilation.ts';
import { compileOwnResolver, compileRefresh } from './dns-resolver.ts';

const DEFAULT_REFRESH_RATE_MS = 60_000;
const DEFAULT_MIN_REFRESH_MS = 5_000;
const DEFAULT_HOST_TTL_MS = 300_000;
const DEFAULT_MAX_HOSTS = 1024;
const DEFAULT_MAX_PENDING = 1024;
const DEFAULT_QUERY_TIMEOUT_MS = 5_000;

/** `path` is that of the DnsCacheConfig. */
export function compileDnsCache(
  config: DnsCacheConfigProto,
  path: string,
  compilation: Compilation,
): DnsCacheData {
  const name = config.name ?? '';
  const preresolve = (config.preresolve_hostnames ?? []).map(
    ({ address = '', port_value = 0 }) => `${address}:${port_value}`,
  );
  const maxHosts = wrapperOr(config.max_hosts, DEFAULT_MAX_HOSTS);
  if (preresolve.length > maxHosts) {
    compilation.fail(joinPath(path, 'preresolve_hostnames'), 'has more names than max_hosts');
  }
  const own = compileOwnResolver(config, path, compilation);
  const settings: Omit<DnsCacheData, 'shared'> = {
    name,
    dns: {
      ...compileRefresh(config, DEFAULT_REFRESH_RATE_MS, path, compilation),
      respectTtl: true,
      minRefreshMs: durationMsOr(config.dns_min_refresh_rate, DEFAULT_MIN_REFRESH_MS),
      jitterMs: 0,
      lookupFamily: config.dns_lookup_family ?? 'AUTO',
      resolver: own ?? systemDnsResolver,
    },
    hostTtlMs: durationMsOr(config.host_ttl, DEFAULT_HOST_TTL_MS),
    maxHosts,
    maxPendingRequests: wrapperOr(
      config.dns_cache_circuit_breaker?.max_pending_requests,
      DEFAULT_MAX_PENDING,
    ),
    queryTimeoutMs: durationMsOr(config.dns_query_timeout, DEFAULT_QUERY_TIMEOUT_MS),
    preresolve,
  };
  const shared = compilation.context.sharedMemory(DNS_CACHE_SHARED_BYTES, `dns_cache ${name}`);
  const words = new Int32Array(shared);
  const mine = settingsHash(settings);
  const theirs = Atomics.compareExchange(words, DnsCacheWord.Settings, 0, mine);
  if (theirs !== 0 && theirs !== mine) {
    compilation.fail(joinPath(path, 'name'), `DNS cache '${name}' exists with different settings`);
  }
  return { ...settings, shared };
}

/** Not 0. */
function settingsHash(settings: unknown): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(JSON.stringify(settings))) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash === 0 ? 1 : hash;
}
