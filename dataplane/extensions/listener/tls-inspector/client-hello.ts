// Reads SNI and ALPN out of the first bytes of a connection without consuming them.
//
//   record:    type(1)=22  version(2)=0x03xx  length(2)  fragment...      (RFC 8446 5.1)
//   handshake: type(1)=1   length(3)  ClientHello                           (4.1.2)
//   ClientHello: version(2) random(32) session_id<0..32> cipher_suites<2..> compression<1..> extensions<..>
//
// A ClientHello may be split over several records; their fragments are joined first.

export type ClientHelloOutcome =
  | { readonly kind: 'need-more' }
  /** Not TLS at all: plaintext. */
  | { readonly kind: 'not-tls' }
  /** TLS record header, but not a ClientHello that can be read. */
  | { readonly kind: 'malformed' }
  /** A ClientHello longer than the limit. */
  | { readonly kind: 'too-large' }
  | {
      readonly kind: 'client-hello';
      /** Lower-case; '' = none. */
      readonly serverName: string;
      readonly applicationProtocols: readonly string[];
    };

const RECORD_HEADER_BYTES = 5;
const CONTENT_TYPE_HANDSHAKE = 22;
const HANDSHAKE_CLIENT_HELLO = 1;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
/** TLSPlaintext.length must not exceed 2^14 (RFC 8446 5.1). */
const MAX_FRAGMENT_BYTES = 16384;

/** `peeked` = everything received so far; `maxBytes` = the longest ClientHello that is waited for. */
export function parseClientHello(
  peeked: Buffer,
  maxBytes: number = Number.MAX_SAFE_INTEGER,
): ClientHelloOutcome {
  if (peeked.length === 0) return { kind: 'need-more' };
  if (peeked[0] !== CONTENT_TYPE_HANDSHAKE) return { kind: 'not-tls' };
  if (peeked.length >= 2 && peeked[1] !== 3) return { kind: 'not-tls' };
  const fragments: Buffer[] = [];
  let joinedBytes = 0;
  let neededBytes = 4;
  for (let at = 0; joinedBytes < neededBytes; ) {
    if (peeked.length < at + RECORD_HEADER_BYTES) return { kind: 'need-more' };
    if (peeked[at] !== CONTENT_TYPE_HANDSHAKE) return { kind: 'malformed' };
    const length = peeked.readUInt16BE(at + 3);
    if (length === 0 || length > MAX_FRAGMENT_BYTES) return { kind: 'malformed' };
    const start = at + RECORD_HEADER_BYTES;
    const fragment = peeked.subarray(start, Math.min(start + length, peeked.length));
    fragments.push(fragment);
    joinedBytes += fragment.length;
    if (neededBytes === 4 && joinedBytes >= 4) {
      const head = Buffer.concat(fragments, joinedBytes);
      if (head[0] !== HANDSHAKE_CLIENT_HELLO) return { kind: 'malformed' };
      neededBytes = 4 + head.readUIntBE(1, 3);
      if (neededBytes > maxBytes) return { kind: 'too-large' };
    }
    if (fragment.length < length && joinedBytes < neededBytes) return { kind: 'need-more' };
    at = start + length;
  }
  return parseHello(Buffer.concat(fragments, joinedBytes).subarray(4, neededBytes));
}

function parseHello(hello: Buffer): ClientHelloOutcome {
  const malformed: ClientHelloOutcome = { kind: 'malformed' };
  let at = 34; // version, random
  if (hello.length < at + 1) return malformed;
  at += 1 + hello[at]!; // session_id
  if (hello.length < at + 2) return malformed;
  at += 2 + hello.readUInt16BE(at); // cipher_suites
  if (hello.length < at + 1) return malformed;
  at += 1 + hello[at]!; // compression_methods
  let serverName = '';
  let applicationProtocols: readonly string[] = [];
  if (hello.length === at) return { kind: 'client-hello', serverName, applicationProtocols };
  if (hello.length < at + 2) return malformed;
  const end = at + 2 + hello.readUInt16BE(at);
  if (end > hello.length) return malformed;
  at += 2;
  while (at + 4 <= end) {
    const type = hello.readUInt16BE(at);
    const length = hello.readUInt16BE(at + 2);
    at += 4;
    if (at + length > end) return malformed;
    const body = hello.subarray(at, at + length);
    if (type === EXTENSION_SERVER_NAME) {
      const name = parseServerName(body);
      if (name === null) return malformed;
      serverName = name;
    } else if (type === EXTENSION_ALPN) {
      const names = parseAlpn(body);
      if (names === null) return malformed;
      applicationProtocols = names;
    }
    at += length;
  }
  return at === end ? { kind: 'client-hello', serverName, applicationProtocols } : malformed;
}

/** server_name_list<1..>: type(1)=0 host_name<1..> (RFC 6066 3). */
function parseServerName(body: Buffer): string | null {
  if (body.length < 5 || body.readUInt16BE(0) !== body.length - 2 || body[2] !== 0) return null;
  const length = body.readUInt16BE(3);
  if (length === 0 || 5 + length > body.length) return null;
  return body.toString('latin1', 5, 5 + length).toLowerCase();
}

/** ProtocolNameList: list of name<1..255> (RFC 7301 3.1). */
function parseAlpn(body: Buffer): readonly string[] | null {
  if (body.length < 2 || body.readUInt16BE(0) !== body.length - 2) return null;
  const names: string[] = [];
  for (let at = 2; at < body.length; ) {
    const length = body[at]!;
    if (length === 0 || at + 1 + length > body.length) return null;
    names.push(body.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return names;
}
