// DNS settings that clusters, DNS caches and the bootstrap say in the same words: refresh rates, and which name servers
// c-ares asks.

import { isIP } from 'node:net';
import { joinPath } from '../../common/result.ts';
import type {
  AddressProto,
  CaresDnsResolverConfigProto,
  ClusterRefreshRateProto,
  DnsResolutionConfigProto,
  DnsResolverOptionsProto,
  TypedExtensionConfigProto,
} from '../../proto/gen/types.ts';
import type { PlainDuration } from '../../proto/plain.ts';
import { durationMsOr, wrapperOr } from '../../proto/well-known.ts';
import { type DnsConfig, type DnsResolverConfig, systemDnsResolver } from '../api/config/dns.ts';
import { formatAddress } from '../api/connection.ts';
import { compileHostAddress } from './address.ts';
import { type Compilation, mapItems } from './compilation.ts';

const CARES = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';

/** Refresh rates that are said in the same words in three messages. */
export function compileRefresh(
  rates: {
    readonly dns_refresh_rate?: PlainDuration | undefined;
    readonly dns_failure_refresh_rate?: ClusterRefreshRateProto | undefined;
  },
  defaultMs: number,
  path: string,
  compilation: Compilation,
): Pick<DnsConfig, 'refreshRateMs' | 'failureRefreshBaseMs' | 'failureRefreshMaxMs'> {
  const refreshRateMs = durationMsOr(rates.dns_refresh_rate, defaultMs);
  const failure = rates.dns_failure_refresh_rate;
  const failureRefreshBaseMs = durationMsOr(failure?.base_interval, refreshRateMs);
  const failureRefreshMaxMs = durationMsOr(
    failure?.max_interval,
    failure === undefined ? refreshRateMs : failureRefreshBaseMs * 10,
  );
  if (failureRefreshMaxMs < failureRefreshBaseMs) {
    compilation.fail(
      joinPath(path, 'dns_failure_refresh_rate.max_interval'),
      'must be >= base_interval',
    );
  }
  return { refreshRateMs, failureRefreshBaseMs, failureRefreshMaxMs };
}

/** Null = nothing is said. The newest way of saying it wins, as in Envoy. */
export function compileOwnResolver(
  given: {
    readonly typed_dns_resolver_config?: TypedExtensionConfigProto | undefined;
    readonly dns_resolution_config?: DnsResolutionConfigProto | undefined;
    readonly dns_resolvers?: readonly AddressProto[] | undefined;
  },
  path: string,
  compilation: Compilation,
): DnsResolverConfig | null {
  if (given.typed_dns_resolver_config !== undefined) {
    const at = joinPath(path, 'typed_dns_resolver_config');
    return compileDnsResolver(given.typed_dns_resolver_config, at, compilation);
  }
  const resolution = given.dns_resolution_config;
  if (resolution !== undefined) {
    const at = joinPath(path, 'dns_resolution_config.resolvers');
    const servers = compileServers(resolution.resolvers, at, compilation);
    return { ...systemDnsResolver, servers, ...searchOf(resolution.dns_resolver_options) };
  }
  if (given.dns_resolvers !== undefined) {
    const at = joinPath(path, 'dns_resolvers');
    const servers = compileServers(given.dns_resolvers, at, compilation);
    return { ...systemDnsResolver, servers };
  }
  return null;
}

/** typed_dns_resolver_config wherever it may stand; c-ares only. */
export function compileDnsResolver(
  config: TypedExtensionConfigProto,
  path: string,
  compilation: Compilation,
): DnsResolverConfig {
  const any = config.typed_config;
  const at = `${path}.typed_config`;
  if (any === undefined) {
    compilation.fail(at, 'is required');
    return systemDnsResolver;
  }
  if (any.type_name !== CARES || any.message === null) {
    compilation.fail(
      at,
      any.message === null
        ? `unknown type '${any.type_url}'`
        : `not supported yet (${any.type_name})`,
    );
    return systemDnsResolver;
  }
  const cares = any.message as CaresDnsResolverConfigProto; // its very type
  return {
    servers: compileServers(cares.resolvers, `${at}.resolvers`, compilation),
    useAsFallback: cares.use_resolvers_as_fallback ?? false,
    filterUnroutableFamilies: cares.filter_unroutable_families ?? false,
    ...searchOf(cares.dns_resolver_options),
    queryTimeoutMs: 1000 * Number(wrapperOr(cares.query_timeout_seconds, 5)),
    queryTries: wrapperOr(cares.query_tries, systemDnsResolver.queryTries),
  };
}

function searchOf(
  options: DnsResolverOptionsProto | undefined,
): Pick<DnsResolverConfig, 'noDefaultSearchDomain'> {
  return { noDefaultSearchDomain: options?.no_default_search_domain ?? false };
}

function compileServers(
  resolvers: readonly AddressProto[] | undefined,
  path: string,
  compilation: Compilation,
): string[] {
  return mapItems(resolvers, path, (proto, at) => {
    const address = compileHostAddress(proto, at, compilation);
    if (isIP(address.ip) === 0) {
      compilation.fail(`${at}.socket_address.address`, `malformed IP address '${address.ip}'`);
    }
    return formatAddress(address);
  });
}
