// Session tickets that cannot outlive what their verdict rests on. A resumed handshake skips the chain check,
// so the key of the tickets is derived from everything that check depends on: the trust anchors, CRLs and
// rules, the certificates offered, and which of them have expired. Change one and old tickets do not open:
// the handshake is a full one, verified again (CVE-2025-23419 is what happens otherwise).

import { createHash, hkdfSync } from 'node:crypto';
import type { DownstreamTlsConfig, SecretData } from '../api/config/tls.ts';

/** Name, HMAC key and AES key of OpenSSL, 16 bytes each. */
const TICKET_KEY_BYTES = 48;
/** BoringSSL renews its own ticket keys this often. */
export const TICKET_KEY_LIFE_MS = 48 * 3_600_000;

/** The SHA-256 of the texts, none of which can run into the next. */
export function fingerprint(texts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest('hex');
}

/**
 * The 48 bytes for OpenSSL, or null for "no tickets". Of configured keys the newest counts: Node takes one.
 * Own keys are the same in all workers and change every 48 hours.
 */
export function ticketKey(
  tickets: DownstreamTlsConfig['sessionTickets'],
  secret: SecretData | null,
  own: { readonly seed: Uint8Array; readonly wallMs: number },
  context: string,
): Buffer | null {
  switch (tickets.kind) {
    case 'off':
      return null;
    case 'own': {
      const epoch = Math.floor(own.wallMs / TICKET_KEY_LIFE_MS);
      return derive(own.seed, `${context} ${epoch}`);
    }
    case 'keys':
      return derive(Buffer.from(tickets.keys[0] ?? '', 'base64'), context);
    case 'sds': {
      const keys = secret?.kind === 'session_ticket_keys' ? secret.keys : [];
      return derive(Buffer.from(keys[0] ?? '', 'base64'), context);
    }
    default:
      return tickets satisfies never;
  }
}

function derive(key: Uint8Array, context: string): Buffer {
  return Buffer.from(
    hkdfSync('sha256', key, '', `remora session tickets ${context}`, TICKET_KEY_BYTES),
  );
}
