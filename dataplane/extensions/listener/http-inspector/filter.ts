// envoy.filters.listener.http_inspector: learns the application protocol of plaintext connections for
// filter_chain_match.application_protocols.

import type { ListenerFilterFactory } from '../../../api/factory.ts';
import {
  type ConnectionProperties,
  type ListenerFilter,
  ListenerFilterStatus,
  type PeekedBytes,
} from '../../../api/listener-filter.ts';
import type { StatField, StatScope } from '../../../api/stats.ts';
import { guessHttp } from './request-line.ts';

/** Envoy: MAX_INSPECT_SIZE. */
const MAX_INSPECT_BYTES = 64 * 1024;

const scope: StatScope = {
  prefix: 'http_inspector',
  promPrefix: 'envoy_http_inspector',
  labels: {},
};

class HttpInspectorStats {
  static readonly stats: readonly StatField[] = [
    { field: 'http10Found', name: 'http10_found', kind: 'counter' },
    { field: 'http11Found', name: 'http11_found', kind: 'counter' },
    { field: 'http2Found', name: 'http2_found', kind: 'counter' },
    { field: 'httpNotFound', name: 'http_not_found', kind: 'counter' },
  ];

  http10Found = 0;
  http11Found = 0;
  http2Found = 0;
  httpNotFound = 0;
}

/** Holds no state of a connection, so one object serves all. */
class HttpInspector implements ListenerFilter {
  readonly maxReadBytes = MAX_INSPECT_BYTES;
  readonly #stats: HttpInspectorStats;

  constructor(stats: HttpInspectorStats) {
    this.#stats = stats;
  }

  onAccept({ transportProtocol }: ConnectionProperties): ListenerFilterStatus {
    // Behind TLS there is nothing to read.
    return transportProtocol === 'tls'
      ? ListenerFilterStatus.Continue
      : ListenerFilterStatus.NeedMore;
  }

  onData({ data }: PeekedBytes, properties: ConnectionProperties): ListenerFilterStatus {
    const guess = guessHttp(data);
    switch (guess) {
      case 'need-more':
        if (data.length < MAX_INSPECT_BYTES) return ListenerFilterStatus.NeedMore;
        this.#stats.httpNotFound++;
        return ListenerFilterStatus.Continue;
      case 'not-http':
        this.#stats.httpNotFound++;
        return ListenerFilterStatus.Continue;
      case 'http/1.0':
        this.#stats.http10Found++;
        break;
      case 'http/1.1':
        this.#stats.http11Found++;
        break;
      case 'h2c':
        this.#stats.http2Found++;
        break;
      default:
        return guess satisfies never;
    }
    properties.applicationProtocols = [guess];
    return ListenerFilterStatus.Continue;
  }
}

export const httpInspectorFilterFactory: ListenerFilterFactory = {
  name: 'envoy.filters.listener.http_inspector',
  create(_data, context) {
    const stats = new HttpInspectorStats();
    context.stats.add(scope, stats);
    const inspector = new HttpInspector(stats);
    return { createFilter: () => inspector, dispose: () => context.stats.remove(stats) };
  },
};
