// What a session's cookie holds: the base64 of a protobuf message, as Envoy writes it, so that proxies of both kinds can
// share a session:
//
//   field 1  string  address `ip:port`
//   field 2  varint  end of the session, seconds since 1970; absent = 0 = no end

const ADDRESS_TAG = 0x0a;
const EXPIRES_TAG = 0x10;
/** Bytes of a varint of 64 bits. */
const MAX_VARINT = 10;

export interface SessionCookie {
  readonly address: string;
  /** 0 = never. */
  readonly expiresS: number;
}

/** `address` is at most 127 bytes long. */
export function encodeSessionCookie({ address, expiresS }: SessionCookie): string {
  const bytes = [ADDRESS_TAG, address.length, ...Buffer.from(address, 'latin1')];
  if (expiresS > 0) {
    bytes.push(EXPIRES_TAG);
    let left = expiresS;
    for (; left > 0x7f; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
    bytes.push(left);
  }
  return Buffer.from(bytes).toString('base64');
}

/** Null = it names no host. What is no such message is the address itself, as in Envoy. */
export function decodeSessionCookie(value: string): SessionCookie | null {
  const bytes = strictBase64(value);
  const read = new MessageReader(bytes);
  const cookie = read.all() ? read : { address: bytes.toString('latin1'), expiresS: 0 };
  return cookie.address === '' ? null : { address: cookie.address, expiresS: cookie.expiresS };
}

/** Empty when it is not well-formed. */
export function strictBase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : Buffer.alloc(0);
}

/** Skips what is not known, as protobuf does. */
class MessageReader {
  address = '';
  expiresS = 0;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** False = malformed. */
  all(): boolean {
    while (this.#at < this.#bytes.length) {
      const tag = this.#varint();
      if (tag === null || tag < 8 || !this.#field(tag)) return false;
    }
    return true;
  }

  #field(tag: number): boolean {
    switch (tag % 8) {
      case 0: {
        const value = this.#varint();
        if (tag === EXPIRES_TAG && value !== null) this.expiresS = value;
        return value !== null;
      }
      case 1:
        return this.#skip(8);
      case 2: {
        const length = this.#varint();
        const from = this.#at;
        if (length === null || !this.#skip(length)) return false;
        if (tag === ADDRESS_TAG) this.address = this.#bytes.toString('latin1', from, this.#at);
        return true;
      }
      case 5:
        return this.#skip(4);
      default:
        return false;
    }
  }

  #skip(length: number): boolean {
    this.#at += length;
    return this.#at <= this.#bytes.length;
  }

  #varint(): number | null {
    let value = 0;
    let unit = 1;
    for (let i = 0; i < MAX_VARINT; i++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) return null;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
      unit *= 0x80;
    }
    return null;
  }
}
