// envoy.filters.http.grpc_stats, worker half: counts gRPC calls and their messages below the cluster that they
// go to. Looks at every piece of body for where messages begin and changes nothing.

import { isGrpcContentType } from '../../../access-log/grpc-status.ts';
import type { ClusterManager, GrpcCallStats } from '../../../api/cluster.ts';
import type { HttpFilterContext, HttpFilterFactory } from '../../../api/factory.ts';
import {
  getField,
  getJoinedField,
  type HeaderFields,
  type RequestHeaders,
  type ResponseHeaders,
  type Trailers,
} from '../../../api/headers.ts';
import {
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import { FilterStateKey, type FilterStateObject } from '../../../api/stream-info.ts';
import { FrameScanner } from '../../_shared/grpc/frame-scanner.ts';
import { type MethodPath, parseMethodPath } from '../../_shared/grpc/method-path.ts';
import { PassThroughFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import type { GrpcStatsData } from './data.ts';

class GrpcStatsConfig implements HttpFilterConfig {
  readonly clusterManager: ClusterManager;
  readonly upstreamStats: boolean;
  readonly emitFilterState: boolean;
  readonly #individual: 'none' | 'all' | ReadonlyMap<string, ReadonlySet<string>>;
  readonly #replaceDots: boolean;

  constructor(data: GrpcStatsData, clusterManager: ClusterManager) {
    const { individual } = data;
    this.clusterManager = clusterManager;
    this.upstreamStats = data.upstreamStats;
    this.emitFilterState = data.emitFilterState;
    this.#individual =
      typeof individual === 'string'
        ? individual
        : new Map(individual.map(({ name, methods }) => [name, new Set(methods)]));
    this.#replaceDots = data.replaceDots;
  }

  createFilter(): StreamFilter {
    return new GrpcStatsFilter(this);
  }

  /** Where a call of that method to that cluster is counted; null = there is no such cluster. */
  callsOf(clusterName: string, { service, method }: MethodPath): GrpcCallStats | null {
    const stats = this.clusterManager.getCluster(clusterName)?.stats;
    if (stats === undefined) return null;
    const individual = this.#individual;
    if (individual === 'all') {
      const name = this.#replaceDots ? service.replaceAll('.', '_') : service;
      return stats.grpcCalls('grpc', name, method);
    }
    const isListed = individual !== 'none' && individual.get(service)?.has(method) === true;
    return isListed ? stats.grpcCalls('grpc', service, method) : stats.grpcCalls('grpc', '', '');
  }
}

/** extensions.filters.http.grpc_stats.v3.FilterObject, as far as the call has come. */
class MessageCounts implements FilterStateObject {
  request = 0;
  response = 0;

  plain(): string {
    return `${this.request},${this.response}`;
  }

  fields(): Readonly<Record<string, string>> {
    return {
      ...(this.request === 0 ? {} : { request_message_count: String(this.request) }),
      ...(this.response === 0 ? {} : { response_message_count: String(this.response) }),
    };
  }
}

class GrpcStatsFilter extends PassThroughFilter {
  readonly #config: GrpcStatsConfig;
  /** Of a gRPC request with a path that gRPC knows, else null: nothing is counted. */
  #method: MethodPath | null;
  #calls: GrpcCallStats | null;
  #request: FrameScanner | null;
  /** Of #request's messages those that stand in the stats. */
  #requestCharged: number;
  #response: FrameScanner | null;
  /** In the filter state from the first message on, if it is to be there. */
  #counts: MessageCounts | null;

  constructor(config: GrpcStatsConfig) {
    super();
    this.#config = config;
    this.#method = null;
    this.#calls = null;
    this.#request = null;
    this.#requestCharged = 0;
    this.#response = null;
    this.#counts = null;
  }

  override decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    if (!isGrpcContentType(getField(headers.fields, 'content-type'))) {
      return FilterHeadersStatus.Continue;
    }
    this.#method = parseMethodPath(headers.path);
    const isLookedAt = this.#method !== null || this.#config.emitFilterState;
    if (isLookedAt && !endStream) this.#request = new FrameScanner();
    return FilterHeadersStatus.Continue;
  }

  override decodeData(data: Buffer): FilterDataStatus {
    if (this.#request !== null && this.#request.scan(data) > 0) {
      this.#chargeRequestMessages();
      if (this.#config.emitFilterState) this.#emittedCounts().request = this.#request.messages;
    }
    return FilterDataStatus.Continue;
  }

  override encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus {
    // Envoy's filter state has the messages of every gRPC response, whatever the request was.
    if (this.#method === null && !this.#config.emitFilterState) return FilterHeadersStatus.Continue;
    this.#chargeRequestMessages();
    this.#chargeStatus(headers.fields);
    if (endStream) {
      this.#chargeUpstreamTime();
    } else if (
      headers.status === 200 &&
      isGrpcContentType(getField(headers.fields, 'content-type'))
    ) {
      this.#response = new FrameScanner();
    }
    return FilterHeadersStatus.Continue;
  }

  override encodeData(data: Buffer): FilterDataStatus {
    if (this.#response === null) return FilterDataStatus.Continue;
    const messages = this.#response.scan(data);
    if (messages === 0) return FilterDataStatus.Continue;
    if (this.#calls !== null) this.#calls.responseMessages += messages;
    if (this.#config.emitFilterState) this.#emittedCounts().response = this.#response.messages;
    return FilterDataStatus.Continue;
  }

  override encodeTrailers(trailers: Trailers): FilterTrailersStatus {
    if (this.#method === null) return FilterTrailersStatus.Continue;
    this.#chargeStatus(trailers);
    this.#chargeUpstreamTime();
    return FilterTrailersStatus.Continue;
  }

  override onDestroy(): void {
    this.#method = null;
  }

  /** By the route, or by what the router took where a header decides; until then messages wait. */
  #resolve(): GrpcCallStats | null {
    if (this.#calls !== null || this.#method === null) return this.#calls;
    const callbacks = this.decoderCallbacks!;
    const ofRoute = callbacks.route()?.clusterName ?? '';
    const clusterName = ofRoute === '' ? callbacks.streamInfo.upstreamCluster : ofRoute;
    if (clusterName !== '') this.#calls = this.#config.callsOf(clusterName, this.#method);
    return this.#calls;
  }

  #chargeRequestMessages(): void {
    const calls = this.#resolve();
    if (calls === null || this.#request === null) return;
    calls.requestMessages += this.#request.messages - this.#requestCharged;
    this.#requestCharged = this.#request.messages;
  }

  #emittedCounts(): MessageCounts {
    if (this.#counts === null) {
      this.#counts = new MessageCounts();
      const { streamInfo } = this.decoderCallbacks!;
      streamInfo.filterState ??= new Map();
      streamInfo.filterState.set(FilterStateKey.GrpcStats, this.#counts);
    }
    return this.#counts;
  }

  #chargeStatus(fields: HeaderFields): void {
    const status = getJoinedField(fields, 'grpc-status');
    if (status !== null) this.#resolve()?.chargeStatus(status);
  }

  #chargeUpstreamTime(): void {
    if (!this.#config.upstreamStats) return;
    const { lastUpstreamTxByteMs, lastUpstreamRxByteMs } = this.decoderCallbacks!.streamInfo;
    if (lastUpstreamTxByteMs === -1 || lastUpstreamRxByteMs === -1) return;
    this.#resolve()?.recordRqTime(Math.floor(lastUpstreamRxByteMs - lastUpstreamTxByteMs));
  }
}

/** The worker half; data is GrpcStatsData. */
export const grpcStats: HttpFilterFactory = {
  name: 'envoy.filters.http.grpc_stats',
  create(data: unknown, context: HttpFilterContext): HttpFilterConfig {
    // The contract between the halves: config.ts made it.
    return new GrpcStatsConfig(data as GrpcStatsData, context.worker.clusterManager);
  },
};
