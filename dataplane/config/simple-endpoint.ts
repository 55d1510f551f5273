// Reads encoded LbEndpoints that have nothing but an address, a port, a hostname, a health status, a weight and metadata, as
// nearly all have, straight from the bytes. Called by endpoint-bytes.ts. Whatever else an endpoint has, or has wrong, or
// twice, is not simple: null, and the general way says what it is. Bytes may be hostile: nothing throws.

import { isIP } from 'node:net';
import { canonicalIp } from '../../common/ip-bytes.ts';
import { decodeMessage } from '../../proto/any.ts';
import { validateMessage } from '../../proto/validate.ts';
import type { HealthStatus, HostConfig } from '../api/config/cluster.ts';
import { healthOf } from './endpoint.ts';
import { deepFreeze } from './freeze.ts';
import { checkSupport } from './support-check.ts';

const METADATA = 'envoy.config.core.v3.Metadata';
const MAX_PORT = 65_535;
const TWO_TO_32 = 0x1_0000_0000;

/** By number. */
const statuses: readonly HealthStatus[] = [
  'UNKNOWN',
  'HEALTHY',
  'UNHEALTHY',
  'DRAINING',
  'TIMEOUT',
  'DEGRADED',
];

/** Field number and wire type; V = varint, L = with a length. */
const LbEndpointTag = { endpointL: 0x0a, healthStatusV: 0x10, metadataL: 0x1a, weightL: 0x22 };
const EndpointTag = { addressL: 0x0a, hostnameL: 0x1a };
const ADDRESS_SOCKET_ADDRESS_L = 0x0a;
const SocketAddressTag = { protocolV: 0x08, addressL: 0x12, portV: 0x18 };
const WRAPPER_VALUE_V = 0x08;

type Metadata = HostConfig['metadata'];

/** Endpoints within the same bytes. */
export class SimpleEndpoints {
  readonly #bytes: Buffer;
  /** By their bytes; undefined = not simple. Most endpoints of a cluster have the same. */
  readonly #metadata = new Map<string, Metadata | undefined>();
  #at = 0;
  /** Of the endpoint that is being read; '' and -1 = not seen. */
  #address = '';
  #port = -1;
  #hostname = '';

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Null = not simple. The result is frozen. */
  read(start: number, end: number): HostConfig | null {
    this.#at = start;
    this.#address = '';
    this.#port = -1;
    this.#hostname = '';
    let status: HealthStatus | undefined = 'UNKNOWN';
    let weight = 1;
    let metadata: Metadata | undefined = null;
    let seen = 0;
    while (this.#at < end) {
      const tag = this.#bytes[this.#at++]!;
      // Parts of a message that comes twice would have to be merged.
      if ((seen & bitOf(tag)) !== 0) return null;
      seen |= bitOf(tag);
      if (tag === LbEndpointTag.healthStatusV) status = statuses[this.#varint(end)];
      else {
        const partEnd = this.#length(end);
        if (partEnd < 0) return null;
        if (tag === LbEndpointTag.endpointL) {
          if (!this.#readEndpoint(partEnd)) return null;
        } else if (tag === LbEndpointTag.metadataL) metadata = this.#readMetadata(partEnd);
        else if (tag === LbEndpointTag.weightL) weight = this.#readWrapper(partEnd);
        else return null;
      }
    }
    if (this.#at !== end || status === undefined || metadata === undefined || weight < 1)
      return null;
    if (this.#port < 0 || this.#port > MAX_PORT || isIP(this.#address) === 0) return null;
    return Object.freeze({
      address: canonicalIp(this.#address),
      port: this.#port,
      hostname: this.#hostname,
      weight,
      health: healthOf[status],
      healthStatus: status,
      metadata,
      healthCheck: null,
    });
  }

  #readEndpoint(end: number): boolean {
    let seen = 0;
    while (this.#at < end) {
      const tag = this.#bytes[this.#at++]!;
      if ((seen & bitOf(tag)) !== 0) return false;
      seen |= bitOf(tag);
      const partEnd = this.#length(end);
      if (partEnd < 0) return false;
      if (tag === EndpointTag.addressL) {
        if (!this.#readAddress(partEnd)) return false;
      } else if (tag === EndpointTag.hostnameL) {
        const hostname = this.#ascii(partEnd);
        if (hostname === null) return false;
        this.#hostname = hostname;
      } else return false;
    }
    return this.#at === end;
  }

  #readAddress(end: number): boolean {
    if (this.#at >= end || this.#bytes[this.#at++] !== ADDRESS_SOCKET_ADDRESS_L) return false;
    if (this.#length(end) !== end) return false;
    let seen = 0;
    while (this.#at < end) {
      const tag = this.#bytes[this.#at++]!;
      if ((seen & bitOf(tag)) !== 0) return false;
      seen |= bitOf(tag);
      if (tag === SocketAddressTag.portV) this.#port = this.#varint(end);
      else if (tag === SocketAddressTag.protocolV) {
        if (this.#varint(end) !== 0) return false;
      } else if (tag === SocketAddressTag.addressL) {
        const partEnd = this.#length(end);
        const address = partEnd < 0 ? null : this.#ascii(partEnd);
        if (address === null) return false;
        this.#address = address;
      } else return false;
    }
    return this.#at === end;
  }

  /** UInt32Value; -1 = not simple. */
  #readWrapper(end: number): number {
    if (this.#at >= end || this.#bytes[this.#at++] !== WRAPPER_VALUE_V) return -1;
    const value = this.#varint(end);
    return this.#at === end ? value : -1;
  }

  #readMetadata(end: number): Metadata | undefined {
    const text = this.#bytes.toString('latin1', this.#at, end);
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    const known = this.#metadata.get(text);
    if (known !== undefined || this.#metadata.has(text)) return known;
    const metadata = decodeMetadata(bytes);
    this.#metadata.set(text, metadata);
    return metadata;
  }

  /** Null = some of it is not ASCII. */
  #ascii(end: number): string | null {
    const start = this.#at;
    this.#at = end;
    for (let i = start; i < end; i++) if (this.#bytes[i]! > 0x7f) return null;
    return this.#bytes.toString('latin1', start, end);
  }

  /** Where a part ends whose length is next; -1 = not within `end`. */
  #length(end: number): number {
    const length = this.#varint(end);
    const partEnd = this.#at + length;
    return length < 0 || partEnd > end ? -1 : partEnd;
  }

  /** Below 2^32; -1 = it is not, or ends too late. */
  #varint(end: number): number {
    let value = 0;
    let factor = 1;
    while (this.#at < end) {
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * factor;
      if (value >= TWO_TO_32) return -1;
      if (byte < 0x80) return value;
      factor *= 128;
    }
    return -1;
  }
}

/** A bit of its own for each field number below 16. */
function bitOf(tag: number): number {
  return 1 << (tag >> 3);
}

function decodeMetadata(bytes: Uint8Array): Metadata | undefined {
  const decoded = decodeMessage(METADATA, bytes);
  if (!decoded.ok || decoded.value.warnings.length > 0) return undefined;
  const { message } = decoded.value;
  if (validateMessage(METADATA, message).length > 0) return undefined;
  if (checkSupport(METADATA, message).length > 0) return undefined;
  return deepFreeze(message.filter_metadata ?? null);
}
