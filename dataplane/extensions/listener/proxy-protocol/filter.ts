// envoy.filters.listener.proxy_protocol: takes a PROXY header off the front of a connection and restores the
// addresses that it names; its TLVs go into dynamic metadata and to clusters that pass them on.

import { isUtf8 } from 'node:buffer';
import type { ListenerFilterFactory } from '../../../api/factory.ts';
import {
  type ConnectionProperties,
  type ListenerFilter,
  ListenerFilterStatus,
  type PeekedBytes,
} from '../../../api/listener-filter.ts';
import type { ProxyProtocolData } from './data.ts';
import { MAX_PROXY_HEADER_BYTES, type ProxyHeader, parseProxyHeader } from './header.ts';
import {
  ProxyProtocolProcessStats,
  ProxyProtocolStats,
  processScope,
  proxyProtocolScope,
} from './stats.ts';

/** Holds no state of a connection, so one object serves all. */
class ProxyProtocolFilter implements ListenerFilter {
  readonly maxReadBytes = MAX_PROXY_HEADER_BYTES;
  readonly #data: ProxyProtocolData;
  readonly #stats: ProxyProtocolStats;
  readonly #processStats: ProxyProtocolProcessStats;

  constructor(
    data: ProxyProtocolData,
    stats: ProxyProtocolStats,
    processStats: ProxyProtocolProcessStats,
  ) {
    this.#data = data;
    this.#stats = stats;
    this.#processStats = processStats;
  }

  onData(peeked: PeekedBytes, properties: ConnectionProperties): ListenerFilterStatus {
    const outcome = parseProxyHeader(peeked.data);
    switch (outcome.kind) {
      case 'need-more':
        return ListenerFilterStatus.NeedMore;
      case 'not-found':
        return this.#onNotFound();
      case 'malformed':
        if (!this.#allows(outcome.version)) return this.#onDisallowed(outcome.version);
        this.#versionStats(outcome.version).error++;
        return this.#close();
      case 'header':
        if (!this.#allows(outcome.version)) return this.#onDisallowed(outcome.version);
        this.#versionStats(outcome.version).found++;
        peeked.consume(outcome.length);
        this.#apply(outcome, properties);
        return ListenerFilterStatus.Continue;
      default:
        return outcome satisfies never;
    }
  }

  #allows(version: 1 | 2): boolean {
    return version === 1 ? this.#data.allowsV1 : this.#data.allowsV2;
  }

  #versionStats(version: 1 | 2): ProxyProtocolStats['v1'] {
    return version === 1 ? this.#stats.v1 : this.#stats.v2;
  }

  #onNotFound(): ListenerFilterStatus {
    if (this.#data.allowRequestsWithoutProxyProtocol) {
      this.#stats.notFoundAllowed++;
      return ListenerFilterStatus.Continue;
    }
    this.#stats.notFoundDisallowed++;
    return this.#close();
  }

  /** Envoy: where headers are optional, one of a disallowed version counts as the peer's own bytes. */
  #onDisallowed(version: 1 | 2): ListenerFilterStatus {
    if (this.#data.allowRequestsWithoutProxyProtocol) return this.#onNotFound();
    this.#versionStats(version).disallowed++;
    return this.#close();
  }

  #close(): ListenerFilterStatus {
    this.#processStats.proxyProtoError++;
    return ListenerFilterStatus.Close;
  }

  #apply({ addresses, tlvs }: ProxyHeader, properties: ConnectionProperties): void {
    if (addresses !== null) {
      properties.remoteAddress = addresses.source;
      properties.localAddress = addresses.destination;
      properties.localAddressRestored = true;
    }
    const { passThroughTlvs, rules } = this.#data;
    properties.proxyProtocol = {
      remoteAddress: properties.remoteAddress,
      localAddress: properties.localAddress,
      tlvs:
        passThroughTlvs === 'all'
          ? tlvs
          : tlvs.filter(({ type }) => passThroughTlvs.includes(type)),
    };
    for (const { tlvType, metadataNamespace, key } of rules) {
      const tlv = tlvs.find(({ type }) => type === tlvType);
      if (tlv === undefined) continue;
      properties.dynamicMetadata ??= {};
      properties.dynamicMetadata[metadataNamespace] ??= {};
      properties.dynamicMetadata[metadataNamespace]![key] ??= utf8Text(tlv.value);
    }
  }
}

/** As Envoy: each byte that belongs to no valid UTF-8 sequence becomes '!'. */
function utf8Text(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (isUtf8(buffer)) return buffer.toString();
  let text = '';
  for (let at = 0; at < buffer.length; ) {
    let length = 1;
    while (length <= 4 && !isUtf8(buffer.subarray(at, at + length))) length++;
    text += length > 4 ? '!' : buffer.toString('utf8', at, at + length);
    at += length > 4 ? 1 : length;
  }
  return text;
}

export const proxyProtocolFilterFactory: ListenerFilterFactory = {
  name: 'envoy.filters.listener.proxy_protocol',
  create(compiled, { stats: store }) {
    // The contract between the halves: config.ts made it.
    const data = compiled as ProxyProtocolData;
    const stats = new ProxyProtocolStats();
    const processStats = new ProxyProtocolProcessStats();
    store.add(proxyProtocolScope(data.statPrefix), stats);
    store.add(processScope, processStats);
    const filter = new ProxyProtocolFilter(data, stats, processStats);
    return {
      createFilter: () => filter,
      dispose: () => {
        store.remove(stats);
        store.remove(processStats);
      },
    };
  },
};
