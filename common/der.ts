// Just enough DER to read what Node does not tell about certificates, CRLs, OCSP responses and PKCS#12.
// Reads, never writes. Values are slices of the input; malformed input is null, never a throw.

/** One element. `content` is what stands behind tag and length, `raw` is all of it. */
export interface DerElement {
  /** Identifier octet: class, constructed bit and number (< 31). */
  readonly tag: number;
  readonly raw: Buffer;
  readonly content: Buffer;
}

/** Identifier octets of the universal types that we meet. */
export const DerTag = {
  Boolean: 0x01,
  Integer: 0x02,
  BitString: 0x03,
  OctetString: 0x04,
  ObjectIdentifier: 0x06,
  Enumerated: 0x0a,
  UtcTime: 0x17,
  GeneralizedTime: 0x18,
  Sequence: 0x30,
  Set: 0x31,
} as const;

/** The element that begins at `at`; null when it is malformed or reaches beyond the buffer. */
export function readDer(bytes: Buffer, at = 0): DerElement | null {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return null;
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const octets = first & 0x7f;
    // Indefinite length is BER; more than 4 octets is more than we were given anyway.
    if (octets === 0 || octets > 4 || start + octets > bytes.length) return null;
    length = bytes.readUIntBE(start, octets);
    start += octets;
  }
  const end = start + length;
  if (end > bytes.length) return null;
  return { tag, raw: bytes.subarray(at, end), content: bytes.subarray(start, end) };
}

/** The elements one after the other in `content`; null when one of them is malformed. */
export function derChildren(content: Buffer): readonly DerElement[] | null {
  const children: DerElement[] = [];
  for (let at = 0; at < content.length; ) {
    const child = readDer(content, at);
    if (child === null) return null;
    children.push(child);
    at += child.raw.length;
  }
  return children;
}

/** The children of a SEQUENCE that fills `bytes`; null when it is something else. */
export function derSequence(bytes: Buffer): readonly DerElement[] | null {
  const element = readDer(bytes);
  return element?.tag === DerTag.Sequence ? derChildren(element.content) : null;
}

/** `2.5.29.15`; '' when it is not an object identifier. */
export function objectIdentifier(element: DerElement | undefined): string {
  if (element?.tag !== DerTag.ObjectIdentifier || element.content.length === 0) return '';
  const [first = 0] = element.content;
  const arcs = [
    Math.min(2, Math.floor(first / 40)),
    first - 40 * Math.min(2, Math.floor(first / 40)),
  ];
  let arc = 0;
  for (const octet of element.content.subarray(1)) {
    arc = arc * 128 + (octet & 0x7f);
    if ((octet & 0x80) !== 0) continue;
    arcs.push(arc);
    arc = 0;
  }
  return arcs.join('.');
}

/** Milliseconds since the epoch of a UTCTime or GeneralizedTime in Z; NaN when it is neither. */
export function derTimeMs(element: DerElement | undefined): number {
  if (element === undefined) return Number.NaN;
  const text = element.content.toString('latin1');
  const match = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(?:\.\d+)?Z$/.exec(text);
  if (match === null) return Number.NaN;
  const [, years = '', month, day, hour, minute, second] = match;
  const isShort = element.tag === DerTag.UtcTime;
  if (years.length !== (isShort ? 2 : 4)) return Number.NaN;
  // RFC 5280 4.1.2.5.1: 50 and more are of the last century.
  const year = isShort ? (Number(years) >= 50 ? 1900 : 2000) + Number(years) : Number(years);
  return Date.UTC(
    year,
    Number(month) - 1,
    Number(day),
    Number(hour),
    Number(minute),
    Number(second),
  );
}

/** The bytes of an INTEGER as lower-case hex without leading zeros; '' when it is none. */
export function integerHex(element: DerElement | undefined): string {
  if (element?.tag !== DerTag.Integer) return '';
  return element.content.toString('hex').replace(/^0+(?=.)/, '');
}

/** The DER inside each PEM block of one kind, in order. */
export function pemBlocks(pem: string, kind: string): readonly Buffer[] {
  const pattern = /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/g;
  return [...pem.matchAll(pattern)]
    .filter((match) => match[1] === kind)
    .map((match) => Buffer.from(match[2] ?? '', 'base64'));
}

/** One PEM block of that kind. */
export function pemOf(der: Buffer, kind: string): string {
  const lines = der
    .toString('base64')
    .replaceAll(/(.{64})/g, '$1\n')
    .trimEnd();
  return `-----BEGIN ${kind}-----\n${lines}\n-----END ${kind}-----\n`;
}
