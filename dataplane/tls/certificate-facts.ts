// What OpenSSL knows about a certificate and Node does not tell: key usage bits, constraints, the exact
// issuer. Read from its DER; used by the checks after the handshake.

import type { X509Certificate } from 'node:crypto';
import {
  type DerElement,
  DerTag,
  derSequence,
  integerHex,
  objectIdentifier,
  readDer,
} from '../../common/der.ts';

const BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_USAGE = '2.5.29.15';
const NAME_CONSTRAINTS = '2.5.29.30';
const VERSION_TAG = 0xa0;
const EXTENSIONS_TAG = 0xa3;

/** Bit numbers of KeyUsage (RFC 5280 4.2.1.3). */
export const KeyUsageBit = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const;

export interface CertificateFacts {
  /** DER of the issuer's name. */
  readonly issuer: Buffer;
  /** Lower-case hex without leading zeros. */
  readonly serialNumber: string;
  /** Bit i is KeyUsage bit i; null = the extension is absent and anything goes. */
  readonly keyUsage: number | null;
  /** pathLenConstraint; null = none. */
  readonly pathLength: number | null;
  readonly hasNameConstraints: boolean;
}

/** Null when the certificate is not what X.509 says; OpenSSL would have refused it before. */
export function certificateFacts(certificate: X509Certificate): CertificateFacts | null {
  const [tbs] = derSequence(certificate.raw) ?? [];
  const fields = tbs === undefined ? null : derSequence(tbs.raw);
  if (fields === null) return null;
  const first = fields[0]?.tag === VERSION_TAG ? 1 : 0;
  const serial = fields[first];
  const issuer = fields[first + 2];
  if (serial === undefined || issuer === undefined) return null;
  const extensions = extensionsOf(fields.find(({ tag }) => tag === EXTENSIONS_TAG));
  if (extensions === null) return null;
  return {
    issuer: issuer.raw,
    serialNumber: integerHex(serial),
    keyUsage: keyUsageOf(extensions.get(KEY_USAGE)),
    pathLength: pathLengthOf(extensions.get(BASIC_CONSTRAINTS)),
    hasNameConstraints: extensions.has(NAME_CONSTRAINTS),
  };
}

/** Whether the key usage, when there is one, allows what the bit stands for. */
export function allowsUsage(facts: CertificateFacts, bit: number): boolean {
  return facts.keyUsage === null || (facts.keyUsage & (1 << bit)) !== 0;
}

/** extnValue by object identifier. */
function extensionsOf(wrapped: DerElement | undefined): Map<string, Buffer> | null {
  const byId = new Map<string, Buffer>();
  if (wrapped === undefined) return byId;
  const list = derSequence(wrapped.content);
  if (list === null) return null;
  for (const extension of list) {
    const parts = derSequence(extension.raw);
    const value = parts?.at(-1);
    if (value?.tag !== DerTag.OctetString) return null;
    byId.set(objectIdentifier(parts?.[0]), value.content);
  }
  return byId;
}

function keyUsageOf(value: Buffer | undefined): number | null {
  if (value === undefined) return null;
  const bits = readDer(value);
  // The first octet of a BIT STRING says how many bits at the end do not count; they are 0.
  const first = bits?.tag === DerTag.BitString ? (bits.content[1] ?? 0) : 0;
  let usage = 0;
  for (let bit = 0; bit < 8; bit++) if ((first & (0x80 >> bit)) !== 0) usage |= 1 << bit;
  return usage;
}

function pathLengthOf(value: Buffer | undefined): number | null {
  const parts = value === undefined ? null : derSequence(value);
  const length = parts?.find(({ tag }) => tag === DerTag.Integer);
  return length === undefined ? null : Number.parseInt(integerHex(length), 16);
}
