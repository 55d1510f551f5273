// ORIGINAL_DST: the host is where the connection or the request wanted to go. A host is made by the pick that asks for
// it first, in this worker alone, and forgotten when it was not used for a cleanup interval and has no connections.
// Envoy: OriginalDstCluster, whose order of sources this is: metadata, header, restored destination.

import type { Timer, TimerService } from '../../../common/timer.ts';
import type { OriginalDstData } from '../../api/config/provided-hosts.ts';
import { formatAddress, type SocketAddress } from '../../api/connection.ts';
import { getField } from '../../api/headers.ts';
import type { LoadBalancerContext } from '../../api/load-balancing.ts';
import { parseAddress } from '../../network/address.ts';
import type { UpstreamHost } from '../host.ts';
import type { HostProvider, OwnHosts } from '../host-provider.ts';

/** Headers name hosts: a client must not make us keep any number of them. */
export const MAX_ORIGINAL_DST_HOSTS = 10_000;

export interface OriginalDstParts {
  readonly timers: TimerService;
  readonly hosts: OwnHosts;
  readonly stats: { originalDstHostInvalid: number; originalDstHostOverflow: number };
}

interface Entry {
  readonly host: UpstreamHost;
  wasUsed: boolean;
}

/** See the file head. */
export class OriginalDstHosts implements HostProvider {
  readonly #data: OriginalDstData;
  readonly #parts: OriginalDstParts;
  /** By `ip:port`. */
  readonly #entries = new Map<string, Entry>();
  readonly #cleanup: Timer;
  #isClosed = false;

  constructor(data: OriginalDstData, parts: OriginalDstParts) {
    this.#data = data;
    this.#parts = parts;
    this.#cleanup = parts.timers.createTimer(cleanUp, this);
  }

  choose(context: LoadBalancerContext): UpstreamHost | null {
    const { metadataPath, httpHeaderName, portOverride } = this.#data;
    if (metadataPath === null && portOverride === null && httpHeaderName !== null) {
      // What a header says is mostly the very key of a host: 300 ns saved.
      const text = headerOf(context, httpHeaderName);
      const known = text === null ? undefined : this.#entries.get(text);
      if (known !== undefined) {
        known.wasUsed = true;
        return known.host;
      }
    }
    const destination = this.#destination(context);
    if (destination === null) return null;
    const address =
      portOverride === null ? destination : { ip: destination.ip, port: portOverride };
    const key = formatAddress(address);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.wasUsed = true;
      return known.host;
    }
    return this.#add(key, address);
  }

  *hosts(): Iterable<UpstreamHost> {
    for (const { host } of this.#entries.values()) yield host;
  }

  close(): void {
    this.#isClosed = true;
    this.#cleanup.stop();
    // Requests under way may still retry on these hosts: they stay in the map.
    for (const { host } of this.#entries.values()) this.#parts.hosts.retire(host);
  }

  /** Timer: forgets hosts that nobody has chosen since the last time and that have no connections. */
  cleanUp(): void {
    for (const [key, entry] of this.#entries) {
      if (entry.wasUsed || entry.host.cxActive() > 0) {
        entry.wasUsed = false;
        continue;
      }
      this.#entries.delete(key);
      this.#parts.hosts.retire(entry.host);
    }
    if (this.#entries.size > 0) this.#cleanup.start(this.#data.cleanupIntervalMs);
  }

  #add(key: string, { ip, port }: SocketAddress): UpstreamHost | null {
    if (this.#entries.size >= MAX_ORIGINAL_DST_HOSTS) {
      this.#parts.stats.originalDstHostOverflow++;
      return null;
    }
    const host = this.#parts.hosts.create(ip, port, '', null);
    if (this.#isClosed) {
      // A retry after the cluster was replaced: the host ends with this one request.
      this.#parts.hosts.retire(host);
      return host;
    }
    this.#entries.set(key, { host, wasUsed: true });
    if (!this.#cleanup.isArmed()) this.#cleanup.start(this.#data.cleanupIntervalMs);
    return host;
  }

  #destination(context: LoadBalancerContext): SocketAddress | null {
    const { metadataPath, httpHeaderName } = this.#data;
    if (metadataPath !== null) {
      // The request's, then the connection's (Envoy).
      const text =
        textAt(context.streamInfo?.dynamicMetadata, metadataPath) ??
        textAt(context.downstreamConnection?.dynamicMetadata, metadataPath);
      const address = text === null ? null : this.#parse(text);
      if (address !== null) return address;
    }
    if (httpHeaderName !== null) {
      const text = headerOf(context, httpHeaderName);
      const address = text === null ? null : this.#parse(text);
      if (address !== null) return address;
    }
    const connection = context.downstreamConnection;
    return connection?.localAddressRestored === true ? connection.localAddress : null;
  }

  #parse(text: string): SocketAddress | null {
    const address = parseAddress(text);
    if (address !== null && !address.ip.startsWith('/')) return address;
    this.#parts.stats.originalDstHostInvalid++;
    return null;
  }
}

function cleanUp(hosts: OriginalDstHosts): void {
  hosts.cleanUp();
}

/** Untrusted: of several, the first counts (Envoy). */
function headerOf({ requestHeaders }: LoadBalancerContext, name: string): string | null {
  return requestHeaders === null ? null : getField(requestHeaders.fields, name);
}

/** The string there, or the first of a list of strings; null = something else, or nothing. */
function textAt(metadata: unknown, path: readonly string[]): string | null {
  let value = metadata;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return null;
    value = (value as Readonly<Record<string, unknown>>)[key]; // an object, as was just checked
  }
  if (Array.isArray(value)) value = value[0];
  return typeof value === 'string' ? value : null;
}
