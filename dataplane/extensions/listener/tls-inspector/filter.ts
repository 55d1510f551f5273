// envoy.filters.listener.tls_inspector: tells TLS from plaintext and learns SNI and ALPN.

import type { ListenerFilterFactory } from '../../../api/factory.ts';
import {
  type ConnectionProperties,
  type ListenerFilter,
  ListenerFilterStatus,
  type PeekedBytes,
} from '../../../api/listener-filter.ts';
import type { StatField, StatScope } from '../../../api/stats.ts';
import { parseClientHello } from './client-hello.ts';
import type { TlsInspectorData } from './data.ts';

/** Room for the headers of the records that a ClientHello may be cut into, one byte each at worst. */
const RECORD_HEADER_BYTES = 5;

const scope: StatScope = { prefix: 'tls_inspector', promPrefix: 'envoy_tls_inspector', labels: {} };

class TlsInspectorStats {
  static readonly stats: readonly StatField[] = [
    { field: 'tlsFound', name: 'tls_found', kind: 'counter' },
    { field: 'tlsNotFound', name: 'tls_not_found', kind: 'counter' },
    { field: 'sniFound', name: 'sni_found', kind: 'counter' },
    { field: 'sniNotFound', name: 'sni_not_found', kind: 'counter' },
    { field: 'alpnFound', name: 'alpn_found', kind: 'counter' },
    { field: 'alpnNotFound', name: 'alpn_not_found', kind: 'counter' },
    { field: 'clientHelloTooLarge', name: 'client_hello_too_large', kind: 'counter' },
  ];

  tlsFound = 0;
  tlsNotFound = 0;
  sniFound = 0;
  sniNotFound = 0;
  alpnFound = 0;
  alpnNotFound = 0;
  clientHelloTooLarge = 0;
}

/** Holds no state of a connection, so one object serves all. */
class TlsInspector implements ListenerFilter {
  readonly maxReadBytes: number;
  readonly #data: TlsInspectorData;
  readonly #stats: TlsInspectorStats;

  constructor(data: TlsInspectorData, stats: TlsInspectorStats) {
    this.maxReadBytes = data.maxClientHelloBytes * (RECORD_HEADER_BYTES + 1);
    this.#data = data;
    this.#stats = stats;
  }

  onData({ data }: PeekedBytes, properties: ConnectionProperties): ListenerFilterStatus {
    const { maxClientHelloBytes, closeOnParsingErrors } = this.#data;
    const outcome = parseClientHello(data, maxClientHelloBytes);
    switch (outcome.kind) {
      case 'need-more':
        if (data.length < this.maxReadBytes) return ListenerFilterStatus.NeedMore;
        this.#stats.clientHelloTooLarge++;
        return ListenerFilterStatus.Close;
      case 'too-large':
        this.#stats.clientHelloTooLarge++;
        return ListenerFilterStatus.Close;
      case 'malformed':
        this.#stats.tlsNotFound++;
        if (closeOnParsingErrors) return ListenerFilterStatus.Close;
        properties.transportProtocol = 'raw_buffer';
        return ListenerFilterStatus.Continue;
      case 'not-tls':
        this.#stats.tlsNotFound++;
        properties.transportProtocol = 'raw_buffer';
        return ListenerFilterStatus.Continue;
      case 'client-hello':
        this.#stats.tlsFound++;
        properties.transportProtocol = 'tls';
        properties.serverName = outcome.serverName;
        properties.applicationProtocols = outcome.applicationProtocols;
        if (outcome.serverName === '') this.#stats.sniNotFound++;
        else this.#stats.sniFound++;
        if (outcome.applicationProtocols.length === 0) this.#stats.alpnNotFound++;
        else this.#stats.alpnFound++;
        return ListenerFilterStatus.Continue;
      default:
        return outcome satisfies never;
    }
  }
}

export const tlsInspectorFilterFactory: ListenerFilterFactory = {
  name: 'envoy.filters.listener.tls_inspector',
  create(data, context) {
    const stats = new TlsInspectorStats();
    context.stats.add(scope, stats);
    // The contract between the halves: config.ts made it.
    const inspector = new TlsInspector(data as TlsInspectorData, stats);
    return { createFilter: () => inspector, dispose: () => context.stats.remove(stats) };
  },
};
