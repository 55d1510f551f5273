// The two messages of grpc.health.v1.Health/Check with their gRPC framing, by hand: they have one field each.
//
//   frame    | flags, 1 byte: 0 = plain | length, 4 bytes | message |
//   request  | 0x0a length service |       response  | 0x08 status |

const HEADER_BYTES = 5;
const SERVING = 1;
const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;
/** One of them says nothing that longer ones could; who sends more has another protocol in mind. */
export const MAX_RESPONSE_BYTES = 1024;

/** A framed HealthCheckRequest; '' = the server as a whole. */
export function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service, 'utf8');
  const message = name.length === 0 ? [] : [0x0a, ...varint(name.length), ...name];
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, Buffer.from(message)]);
}

/** Takes the bytes of one response as they come. */
export class ResponseReader {
  #bytes: Buffer = Buffer.alloc(0);

  /** What is wrong with the response so far, in Envoy's words; '' = nothing. Keeps a copy of `data`. */
  add(data: Buffer): string {
    this.#bytes = Buffer.concat([this.#bytes, data]);
    const length = this.#length();
    if (length === null) return '';
    if ((this.#bytes[0]! & ~1) !== 0 || length > MAX_RESPONSE_BYTES) {
      return 'gRPC wire protocol decode error';
    }
    // The compressed flag: we announced no encoding.
    if (this.#bytes[0] !== 0) return 'invalid grpc.health.v1 RPC payload';
    if (this.#bytes.length > HEADER_BYTES + length) return 'unexpected streaming';
    return '';
  }

  /** Whether a whole response came that says SERVING. */
  isServing(): boolean {
    const length = this.#length();
    if (length === null || this.#bytes.length !== HEADER_BYTES + length) return false;
    return statusOf(this.#bytes.subarray(HEADER_BYTES)) === SERVING;
  }

  #length(): number | null {
    return this.#bytes.length < HEADER_BYTES ? null : this.#bytes.readUInt32BE(1);
  }
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** HealthCheckResponse.status, last one wins; null = no such message. Unknown fields are passed over. */
function statusOf(message: Buffer): number | null {
  let status = 0;
  let pos = 0;
  const readVarint = (): number | null => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = message[pos++];
      if (byte === undefined) return null;
      // Beyond 32 bits: not a status that exists, and no length that fits.
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return null;
  };
  while (pos < message.length) {
    const tag = readVarint();
    if (tag === null || tag < 8) return null;
    const wire = tag % 8;
    if (wire === WIRE_VARINT) {
      const value = readVarint();
      if (value === null) return null;
      if (tag === 8) status = value;
    } else if (wire === WIRE_BYTES) {
      const length = readVarint();
      if (length === null) return null;
      pos += length;
    } else if (wire === WIRE_FIXED64) pos += 8;
    else if (wire === WIRE_FIXED32) pos += 4;
    else return null;
  }
  return pos === message.length ? status : null;
}
