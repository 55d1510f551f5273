// The certificates in use, for /certs and server.days_until_first_cert_expiring.

import { X509Certificate } from 'node:crypto';
import type { BootstrapConfig } from '../api/config/bootstrap.ts';
import type { CommonTlsConfig, SecretData } from '../api/config/tls.ts';
import type { CertificateStatus } from './admin/sources.ts';

const DAY_MS = 86_400_000;
const NO_CERTIFICATE_DAYS = 4_294_967_295;

export class CertificateInventory {
  readonly #secrets = new Map<string, CertificateStatus>();
  readonly #static: CertificateStatus[] = [];

  set(secret: SecretData): void {
    this.#secrets.set(
      secret.name,
      secret.kind === 'tls_certificate'
        ? {
            source: secret.name,
            caCertPem: '',
            certChainPem: secret.certificate.certificateChainPem,
          }
        : { source: secret.name, caCertPem: secret.validation.trustedCaPem, certChainPem: '' },
    );
  }

  remove(name: string): void {
    this.#secrets.delete(name);
  }

  /** Inline certificates of static listeners and clusters. */
  addStatic(bootstrap: BootstrapConfig): void {
    for (const { tls } of bootstrap.clusters) this.#addInline(tls);
    for (const { filterChains, defaultFilterChain } of bootstrap.listeners) {
      for (const { tls } of filterChains) this.#addInline(tls);
      this.#addInline(defaultFilterChain?.tls ?? null);
    }
  }

  entries(): readonly CertificateStatus[] {
    return [...this.#static, ...this.#secrets.values()];
  }

  daysUntilFirstExpiry(wallMs: number): number {
    let days = NO_CERTIFICATE_DAYS;
    for (const { caCertPem, certChainPem } of this.entries()) {
      for (const pem of [caCertPem, certChainPem]) {
        if (pem === '') continue;
        const validTo = Date.parse(new X509Certificate(pem).validTo);
        days = Math.min(days, Math.max(0, Math.floor((validTo - wallMs) / DAY_MS)));
      }
    }
    return days;
  }

  #addInline(tls: CommonTlsConfig | null): void {
    if (tls === null) return;
    const caCertPem = tls.validation.base?.trustedCaPem ?? '';
    for (const source of tls.certificates) {
      if (source.kind !== 'inline') continue;
      const { certificateChainPem } = source.certificate;
      this.#static.push({ source: '<inline>', caCertPem, certChainPem: certificateChainPem });
    }
  }
}
