// envoy.filters.http.dynamic_forward_proxy, worker half: before a request goes to a cluster of that type, its Host is
// in the DNS cache. Who has to wait for that stands still, and nothing else does.
//
//   decodeHeaders: known? --> continue        unresolvable --> 503 DF
//                  unknown --> wait for main --> continue, or 503        too many names or waiters --> 503

import type { Cluster, ClusterManager } from '../../../api/cluster.ts';
import type { DnsCache, DnsCacheEntry, DnsCacheWaiter } from '../../../api/dns-cache.ts';
import type { HttpFilterContext, HttpFilterFactory } from '../../../api/factory.ts';
import { getField, type RequestHeaders } from '../../../api/headers.ts';
import {
  FilterHeadersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import type { Route } from '../../../api/route.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { PassThroughDecoderFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import type { DynamicForwardProxyFilterData, DynamicForwardProxyRouteData } from './data.ts';

const HTTP_PORT = 80;
const HTTPS_PORT = 443;

class DynamicForwardProxyConfig implements HttpFilterConfig {
  readonly cache: DnsCache;
  readonly clusterManager: ClusterManager;

  constructor({ cache }: DynamicForwardProxyFilterData, { worker }: HttpFilterContext) {
    this.cache = worker.dnsCaches.get(cache);
    this.clusterManager = worker.clusterManager;
  }

  createFilter(): StreamFilter {
    return new DynamicForwardProxyFilter(this);
  }
}

class DynamicForwardProxyFilter extends PassThroughDecoderFilter implements DnsCacheWaiter {
  readonly #config: DynamicForwardProxyConfig;
  #isWaiting = false;

  constructor(config: DynamicForwardProxyConfig) {
    super();
    this.#config = config;
  }

  override decodeHeaders(headers: RequestHeaders, _endStream: boolean): FilterHeadersStatus {
    const cluster = this.#proxyCluster(this.decoderCallbacks!.route());
    if (cluster === null) return FilterHeadersStatus.Continue;
    this.#rewriteHost(headers);
    const { authority } = headers;
    if (authority === '') {
      this.decoderCallbacks!.sendLocalReply(400, 'Empty host header', null, 'empty_host_header');
      return FilterHeadersStatus.StopIteration;
    }
    const { cache } = this.#config;
    const defaultPort = cluster.config.tls === null ? HTTP_PORT : HTTPS_PORT;
    const known = cache.lookup(authority, defaultPort);
    if (known !== null) {
      if (known.ip !== '') return FilterHeadersStatus.Continue;
      this.#replyUnresolvable(known);
      return FilterHeadersStatus.StopIteration;
    }
    const outcome = cache.load(authority, defaultPort, this);
    switch (outcome) {
      case 'loading':
        this.#isWaiting = true;
        return FilterHeadersStatus.StopAllIterationAndWatermark;
      case 'full':
        this.#replyFull();
        return FilterHeadersStatus.StopIteration;
      case 'too-many-pending':
        this.decoderCallbacks!.sendLocalReply(
          503,
          'Dynamic forward proxy pending request overflow',
          null,
          'dynamic_forward_proxy_pending_request_overflow',
        );
        return FilterHeadersStatus.StopIteration;
      default:
        return outcome satisfies never;
    }
  }

  override onDestroy(): void {
    if (this.#isWaiting) this.#config.cache.cancel(this);
  }

  onDnsLoaded(entry: DnsCacheEntry | null): void {
    this.#isWaiting = false;
    if (entry === null) this.#replyFull();
    else if (entry.ip === '') this.#replyUnresolvable(entry);
    else this.decoderCallbacks!.continueDecoding();
  }

  /** Null = the request goes elsewhere, or nowhere. */
  #proxyCluster(route: Route | null): Cluster | null {
    if (route === null || route.kind !== 'route') return null;
    const cluster = this.#config.clusterManager.getCluster(route.clusterName);
    return cluster?.config.type === 'DYNAMIC_FORWARD_PROXY' ? cluster : null;
  }

  #rewriteHost(headers: RequestHeaders): void {
    // createRouteConfig is not needed: the data is what config.ts made.
    const override =
      this.decoderCallbacks!.routeSpecificConfig() as DynamicForwardProxyRouteData | null;
    if (override === null) return;
    const { hostRewriteLiteral: literal, hostRewriteHeader: name } = override;
    if (literal !== '') headers.authority = literal;
    // Untrusted: of several, the first counts (Envoy).
    else if (name !== '') headers.authority = getField(headers.fields, name) ?? headers.authority;
  }

  #replyFull(): void {
    this.decoderCallbacks!.sendLocalReply(503, 'DNS cache overflow', null, 'dns_cache_overflow');
  }

  #replyUnresolvable({ failure }: DnsCacheEntry): void {
    const callbacks = this.decoderCallbacks!;
    callbacks.streamInfo.responseFlags |= ResponseFlag.DnsResolutionFailed;
    const details = `dns_resolution_failure{${failure}}`;
    callbacks.sendLocalReply(503, 'DNS resolution failure', null, details);
  }
}

export const dynamicForwardProxy: HttpFilterFactory = {
  name: 'envoy.filters.http.dynamic_forward_proxy',
  create: (data, context) =>
    // config.ts makes it.
    new DynamicForwardProxyConfig(data as DynamicForwardProxyFilterData, context),
};
