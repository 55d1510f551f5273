// TLS secrets in NSS key log format, for who must read captured traffic (CommonTlsContext.key_log). Written
// at once, not buffered: the capture is looked at while it is made.

import { closeSync, openSync, writeSync } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import type { KeyLogData } from '../api/config/tls.ts';
import { plainIp } from '../network/address.ts';
import { type Cidr, cidrContains, parseCidr, parseIp } from '../network/cidr.ts';

/** One per TLS config and worker; workers append to the same file. */
export class KeyLog {
  readonly #local: readonly Cidr[];
  readonly #remote: readonly Cidr[];
  readonly #write: (line: Buffer) => void;
  #file: number | null;

  /** `onFailed`: the file cannot be opened or written. Handshakes go on: they are worth more than the log. */
  constructor({ path, localAddressRanges, remoteAddressRanges }: KeyLogData, onFailed: () => void) {
    this.#local = cidrs(localAddressRanges);
    this.#remote = cidrs(remoteAddressRanges);
    this.#file = null;
    try {
      this.#file = openSync(path, 'a', 0o600);
    } catch {
      onFailed(); // counted: nobody is there to be told
    }
    this.#write = (line) => {
      if (this.#file === null) return;
      try {
        writeSync(this.#file, line);
      } catch {
        onFailed(); // a full disk must not end the connection
      }
    };
  }

  /** Before the handshake begins. */
  watch(socket: TLSSocket, localIp: string | undefined, remoteIp: string | undefined): void {
    if (this.#file === null) return;
    if (contains(this.#local, localIp) && contains(this.#remote, remoteIp)) {
      socket.on('keylog', this.#write);
    }
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}

function cidrs(texts: readonly string[]): readonly Cidr[] {
  return texts.flatMap((text) => parseCidr(text) ?? []);
}

/** No ranges = any address. */
function contains(ranges: readonly Cidr[], address: string | undefined): boolean {
  if (ranges.length === 0) return true;
  const ip = address === undefined ? null : parseIp(plainIp(address));
  return ip !== null && ranges.some((range) => cidrContains(range, ip));
}
