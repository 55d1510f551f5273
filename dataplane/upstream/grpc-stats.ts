// gRPC calls of one cluster in one worker, below `cluster.<name>.grpc.` and `.grpc-web.`, names as Envoy's.
// The filters grpc_stats and grpc_web count here (api/cluster.ts); cluster-stats.ts owns and collects it.
//
//   cluster.<name>.grpc.[<service>.<method>.]<grpc-status> | success | failure | total
//                                            request_message_count | response_message_count | upstream_rq_time

import type { GrpcCallStats, GrpcProtocol } from '../api/cluster.ts';
import type { StatScope, StatSink } from '../api/stats.ts';
import { BucketHistogram } from '../stats/histogram.ts';

/** Clients choose the names of methods; Envoy keeps as many as they send. */
export const MAX_METHODS = 1000;
/** Service and method together; longer ones count without a method. */
export const MAX_METHOD_NAME_LENGTH = 256;
/** Upstreams choose the texts of statuses; of those that gRPC does not define so many are kept per method. */
export const MAX_OTHER_STATUSES = 16;
const MAX_STATUS_LENGTH = 32;

const DEFINED_STATUSES = 17;
const definedStatus = /^(?:[0-9]|1[0-6])$/;

/** One method's calls, or those of all methods that are not told apart. */
class CallStats implements GrpcCallStats {
  readonly #service: string;
  readonly #method: string;
  /** By number. */
  readonly #statuses = new Float64Array(DEFINED_STATUSES);
  #otherStatuses: Map<string, number> | null = null;
  #success = 0;
  #failure = 0;
  readonly #rqTime = new BucketHistogram();
  requestMessages = 0;
  responseMessages = 0;

  constructor(service: string, method: string) {
    this.#service = service;
    this.#method = method;
  }

  chargeStatus(grpcStatus: string): void {
    if (grpcStatus === '0') this.#success++;
    else this.#failure++;
    if (definedStatus.test(grpcStatus)) {
      const status = Number(grpcStatus);
      this.#statuses[status] = this.#statuses[status]! + 1;
      return;
    }
    this.#otherStatuses ??= new Map();
    const count = this.#otherStatuses.get(grpcStatus);
    if (count !== undefined) this.#otherStatuses.set(grpcStatus, count + 1);
    else if (
      this.#otherStatuses.size < MAX_OTHER_STATUSES &&
      grpcStatus.length <= MAX_STATUS_LENGTH
    ) {
      this.#otherStatuses.set(grpcStatus, 1);
    }
  }

  recordRqTime(ms: number): void {
    this.#rqTime.record(ms);
  }

  collect(scope: StatScope, protocol: GrpcProtocol, sink: StatSink): void {
    const service = this.#service;
    const below = service === '' ? `${protocol}.` : `${protocol}.${service}.${this.#method}.`;
    const prom = `${protocol.replace('-', '_')}_`;
    const labels: Readonly<Record<string, string>> =
      service === ''
        ? {}
        : { envoy_grpc_bridge_service: service, envoy_grpc_bridge_method: this.#method };
    // As in Envoy, what was never counted is not there.
    const count = (name: string, value: number): void => {
      if (value > 0) sink.tagged(scope, below + name, prom + name, labels, 'counter', value);
    };
    for (const [status, calls] of this.#statuses.entries()) count(String(status), calls);
    for (const [status, calls] of this.#otherStatuses ?? []) count(status, calls);
    count('success', this.#success);
    count('failure', this.#failure);
    count('total', this.#success + this.#failure);
    count('request_message_count', this.requestMessages);
    count('response_message_count', this.responseMessages);
    const rqTime = this.#rqTime.data();
    if (rqTime === null) return;
    const prefix = `${scope.prefix}.${below.slice(0, -1)}`;
    const promPrefix = `${scope.promPrefix}_${prom.slice(0, -1)}`;
    const own = { prefix, promPrefix, labels: { ...scope.labels, ...labels } };
    sink.histogram(own, 'upstream_rq_time', rqTime);
  }
}

/** See the file head. Made at the first gRPC call that a filter counts. */
export class ClusterGrpcStats {
  readonly #calls: Readonly<Record<GrpcProtocol, Map<string, CallStats>>> = {
    grpc: new Map(),
    'grpc-web': new Map(),
  };
  #methods = 0;
  #overflow = 0;

  of(protocol: GrpcProtocol, service: string, method: string): GrpcCallStats {
    const calls = this.#calls[protocol];
    const name = service === '' ? '' : `${service}.${method}`;
    const known = calls.get(name);
    if (known !== undefined) return known;
    if (name !== '') {
      if (this.#methods === MAX_METHODS || name.length > MAX_METHOD_NAME_LENGTH) {
        this.#overflow++;
        return this.of(protocol, '', '');
      }
      this.#methods++;
    }
    const made = new CallStats(service, method);
    calls.set(name, made);
    return made;
  }

  collect(scope: StatScope, sink: StatSink): void {
    for (const protocol of ['grpc', 'grpc-web'] as const) {
      for (const calls of this.#calls[protocol].values()) calls.collect(scope, protocol, sink);
    }
    // Not Envoy's, which has no limit.
    if (this.#overflow > 0) {
      sink.value(scope, 'grpc_method_stats_overflow', 'counter', this.#overflow);
    }
  }
}
