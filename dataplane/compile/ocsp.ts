// Reading an OCSP response (RFC 6960) as far as stapling needs it: which certificate it is about and until
// when. Its signature is the client's to check. Used when a certificate is compiled.

import {
  DerTag,
  derChildren,
  derSequence,
  derTimeMs,
  integerHex,
  objectIdentifier,
} from '../../common/der.ts';

const BASIC_RESPONSE = '1.3.6.1.5.5.7.48.1.1';
const CONTEXT_0 = 0xa0;

/** What one response says. */
export interface OcspResponse {
  /** Lower-case hex without leading zeros. */
  readonly serialNumber: string;
  /** nextUpdate, ms since the epoch; Infinity when the responder promises nothing. */
  readonly expiresMs: number;
}

/** Null when it is not a successful basic response about exactly one certificate. */
export function parseOcspResponse(der: Buffer): OcspResponse | null {
  const [status, wrapped] = derSequence(der) ?? [];
  if (status?.tag !== DerTag.Enumerated || status.content[0] !== 0) return null;
  if (wrapped?.tag !== CONTEXT_0) return null;
  const [type, response] = derSequence(wrapped.content) ?? [];
  if (objectIdentifier(type) !== BASIC_RESPONSE || response === undefined) return null;
  const [data] = derSequence(response.content) ?? [];
  // version [0] and responderID [1] or [2] are tagged: the list is the first plain SEQUENCE.
  const list = derSequence(data?.raw ?? Buffer.alloc(0))?.find(
    ({ tag }) => tag === DerTag.Sequence,
  );
  const responses = list === undefined ? null : derChildren(list.content);
  const [single] = responses ?? [];
  if (single === undefined || responses?.length !== 1) return null;
  const [certificateId, , , nextUpdate] = derSequence(single.raw) ?? [];
  const serial = derSequence(certificateId?.raw ?? Buffer.alloc(0))?.[3];
  const serialNumber = integerHex(serial);
  if (serialNumber === '') return null;
  if (nextUpdate?.tag !== CONTEXT_0) return { serialNumber, expiresMs: Number.POSITIVE_INFINITY };
  const expiresMs = derTimeMs(derChildren(nextUpdate.content)?.[0]);
  return Number.isNaN(expiresMs) ? null : { serialNumber, expiresMs };
}
