// What may be shown of a secret: its name, and of its certificates names, validity and fingerprint. Keys and
// the certificates themselves stay where they are.

import { X509Certificate } from 'node:crypto';
import type { DataSourceProto, SecretProto } from '../../proto/gen/types.ts';
import type { JsonValue } from '../../proto/plain.ts';

const MAX_CERTIFICATES = 100;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** A Secret as JSON that is fit for a screen. */
export function secretSummary(secret: SecretProto): JsonValue {
  const { name = '', tls_certificate: own, validation_context: trusted } = secret;
  if (own !== undefined) {
    return { name, holds: 'tls_certificate', certificates: certificatesOf(own.certificate_chain) };
  }
  if (trusted !== undefined) {
    const certificates = certificatesOf(trusted.trusted_ca);
    return { name, holds: 'validation_context', certificates };
  }
  const kind = Object.keys(secret).find((key) => key !== 'name');
  return { name, holds: kind ?? 'nothing', certificates: [] };
}

function certificatesOf(source: DataSourceProto | undefined): JsonValue[] {
  const text = source?.inline_string ?? source?.inline_bytes?.toString('latin1') ?? '';
  const pems = text.match(PEM_CERTIFICATE) ?? [];
  return pems.slice(0, MAX_CERTIFICATES).map(describe);
}

function describe(pem: string): JsonValue {
  try {
    const certificate = new X509Certificate(pem);
    return {
      subject_alt_names: (certificate.subjectAltName ?? '').split(', ').filter(Boolean),
      valid_from: certificate.validFromDate.toISOString(),
      valid_until: certificate.validToDate.toISOString(),
      fingerprint_sha256: certificate.fingerprint256,
    };
  } catch {
    return { problem: 'not a certificate' }; // its text might be anything, so it is not shown
  }
}
