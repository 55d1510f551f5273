// original_ip_detection_extensions: who the client is when a proxy before us says so. Compiled once per
// connection manager, asked by forwarded.ts once per request until one of them knows.

import type { HcmConfig, OriginalIpDetectionData } from '../api/config/hcm.ts';
import type { SocketAddress } from '../api/connection.ts';
import { getField, type HeaderFields } from '../api/headers.ts';
import type { CidrMap } from '../network/cidr.ts';
import { addressFromRight, addressOf, containsAddress, rangesOf } from './client-address.ts';

/** What one detection found. */
export interface Detected {
  /** Null = nobody: the next detector is asked. */
  readonly client: SocketAddress | null;
  /** The address may make the request internal. */
  readonly isTrusted: boolean;
  /** x-forwarded-for stays as it is. */
  readonly skipXffAppend: boolean;
}

/** What was found, or the status to refuse the request with. */
export type Detection = Detected | number;

/** `forwardedFor` is the joined x-forwarded-for, '' when there is none. */
export interface OriginalIpDetector {
  detect(fields: HeaderFields, forwardedFor: string, peer: SocketAddress): Detection;
}

/** The peer is none of the trusted proxies: its x-forwarded-for is not believed but added to. */
const fromStranger: Detected = Object.freeze({
  client: null,
  isTrusted: false,
  skipXffAppend: false,
});
const notFound: Detected = Object.freeze({ client: null, isTrusted: false, skipXffAppend: true });

export function compileDetectors(config: HcmConfig): readonly OriginalIpDetector[] {
  return config.originalIpDetection.map((data) =>
    data.kind === 'xff' ? new XffDetector(data) : new CustomHeaderDetector(data),
  );
}

class XffDetector implements OriginalIpDetector {
  readonly #numTrustedHops: number;
  readonly #trusted: CidrMap<true> | null;
  readonly #skipXffAppend: boolean;

  constructor(data: OriginalIpDetectionData & { readonly kind: 'xff' }) {
    this.#numTrustedHops = data.numTrustedHops;
    this.#trusted = rangesOf(data.trustedCidrs);
    this.#skipXffAppend = data.skipXffAppend;
  }

  detect(_fields: HeaderFields, forwardedFor: string, peer: SocketAddress): Detection {
    const trusted = this.#trusted;
    if (trusted !== null && !containsAddress(trusted, peer)) return fromStranger;
    let client: SocketAddress | null = null;
    if (forwardedFor !== '') {
      client =
        trusted === null
          ? addressFromRight(forwardedFor, this.#numTrustedHops)
          : firstUntrusted(forwardedFor, trusted);
    }
    const isTrusted = this.#numTrustedHops === 0 && !forwardedFor.includes(',');
    return { client, isTrusted, skipXffAppend: this.#skipXffAppend };
  }
}

/** From the right the first address outside of `trusted`, else the leftmost; null = one is no address. */
function firstUntrusted(list: string, trusted: CidrMap<true>): SocketAddress | null {
  let client: SocketAddress | null = null;
  let end = list.length;
  while (end >= 0) {
    const start = list.lastIndexOf(',', end - 1) + 1;
    client = addressOf(list.slice(start, end));
    if (client === null || !containsAddress(trusted, client)) return client;
    end = start === 0 ? -1 : start - 1;
  }
  return client;
}

class CustomHeaderDetector implements OriginalIpDetector {
  readonly #headerName: string;
  readonly #isTrusted: boolean;
  readonly #failure: Detection;

  constructor(data: OriginalIpDetectionData & { readonly kind: 'custom_header' }) {
    this.#headerName = data.headerName;
    this.#isTrusted = data.isTrusted;
    this.#failure = data.rejectStatus === 0 ? notFound : data.rejectStatus;
  }

  detect(fields: HeaderFields): Detection {
    const value = getField(fields, this.#headerName);
    const client = value === null ? null : addressOf(value);
    if (client === null) return this.#failure;
    return { client, isTrusted: this.#isTrusted, skipXffAppend: true };
  }
}
