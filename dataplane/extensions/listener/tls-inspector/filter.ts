// envoy.filters.listener.tls_inspector: tells TLS from plaintext and learns SNI and ALPN.

import type { ListenerFilterFactory } from '../../../api/factory.ts';
import {
  type ConnectionProperties,
  type ListenerFilter,
  ListenerFilterStatus,
} from '../../../api/listener-filter.ts';
import type { StatField, StatScope } from '../../../api/stats.ts';
import { parseClientHello } from './client-hello.ts';

/** Envoy reads at most 64 KiB of ClientHello. */
const MAX_CLIENT_HELLO_BYTES = 64 * 1024;

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
  readonly maxReadBytes = MAX_CLIENT_HELLO_BYTES;
  readonly #stats: TlsInspectorStats;

  constructor(stats: TlsInspectorStats) {
    this.#stats = stats;
  }

  onData(peeked: Buffer, properties: ConnectionProperties): ListenerFilterStatus {
    const outcome = parseClientHello(peeked);
    switch (outcome.kind) {
      case 'need-more':
        if (peeked.length < MAX_CLIENT_HELLO_BYTES) return ListenerFilterStatus.NeedMore;
        this.#stats.clientHelloTooLarge++;
        return ListenerFilterStatus.Close;
      case 'not-tls':
      case 'malformed':
        // Envoy: an invalid ClientHello counts as not found and the connection goes on as plaintext.
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
  create(_data, context) {
    const stats = new TlsInspectorStats();
    context.stats.add(scope, stats);
    const inspector = new TlsInspector(stats);
    return { createFilter: () => inspector };
  },
};
