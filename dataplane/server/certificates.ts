// The certificates in use, for /certs and server.days_until_first_cert_expiring: one entry per TLS context of
// the live listeners and clusters, as in Envoy.

import { X509Certificate } from 'node:crypto';
import { pemBlocks } from '../../common/der.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { CommonTlsConfig, SecretData, ValidationContextData } from '../api/config/tls.ts';
import type { CertificateText, ContextCertificates } from './admin/sources.ts';

const DAY_MS = 86_400_000;
const NO_CERTIFICATE_DAYS = 4_294_967_295;

export class CertificateInventory {
  readonly #secrets = new Map<string, SecretData>();
  readonly #contexts = new Map<string, readonly CommonTlsConfig[]>();
  /** First end of the certificates in a PEM text, ms since the epoch; parsed once. */
  #expiries = new Map<string, number>();

  setSecret(secret: SecretData): void {
    this.#secrets.set(secret.name, secret);
    this.#expiries = new Map();
  }

  setCluster({ name, tls }: ClusterConfig): void {
    this.#set(`cluster ${name}`, [tls]);
  }

  removeCluster(name: string): void {
    this.#set(`cluster ${name}`, []);
  }

  setListener({ name, filterChains, defaultFilterChain }: ListenerConfig): void {
    const chains = filterChains.map(({ tls }) => tls);
    this.#set(`listener ${name}`, [...chains, defaultFilterChain?.tls ?? null]);
  }

  removeListener(name: string): void {
    this.#set(`listener ${name}`, []);
  }

  entries(): readonly ContextCertificates[] {
    return [...this.#contexts.values()].flat().map((tls) => ({
      caCertificates: this.#caCertificates(tls),
      certificateChains: this.#certificateChains(tls),
    }));
  }

  /** Of all certificates in use, CAs and intermediates too; judged by the clock at the time of asking. */
  daysUntilFirstExpiry(wallMs: number): number {
    let days = NO_CERTIFICATE_DAYS;
    for (const { caCertificates, certificateChains } of this.entries()) {
      for (const { pem } of [...caCertificates, ...certificateChains]) {
        const left = Math.floor((this.#expiryMs(pem) - wallMs) / DAY_MS);
        days = Math.min(days, Math.max(0, left));
      }
    }
    return days;
  }

  #set(owner: string, contexts: readonly (CommonTlsConfig | null)[]): void {
    const found = contexts.filter((tls) => tls !== null);
    if (found.length === 0) this.#contexts.delete(owner);
    else this.#contexts.set(owner, found);
    this.#expiries = new Map();
  }

  #caCertificates({ validation: { base, sdsName } }: CommonTlsConfig): readonly CertificateText[] {
    const secret = sdsName === null ? undefined : this.#secrets.get(sdsName);
    if (secret?.kind === 'validation_context') {
      const found = trusted(secret.validation);
      if (found.length > 0) return found;
    }
    return base === null ? [] : trusted(base);
  }

  #certificateChains({ certificates }: CommonTlsConfig): readonly CertificateText[] {
    return certificates.flatMap((source) => {
      const secret = source.kind === 'sds' ? this.#secrets.get(source.name) : source;
      if (secret === undefined || !('certificate' in secret)) return [];
      const { source: path, certificateChainPem: pem } = secret.certificate;
      return [{ path, pem }];
    });
  }

  #expiryMs(pem: string): number {
    let expiryMs = this.#expiries.get(pem);
    if (expiryMs === undefined) {
      expiryMs = Number.POSITIVE_INFINITY;
      for (const der of pemBlocks(pem, 'CERTIFICATE')) {
        expiryMs = Math.min(expiryMs, new X509Certificate(der).validToDate.getTime());
      }
      this.#expiries.set(pem, expiryMs);
    }
    return expiryMs;
  }
}

/** Per trust domain with the SPIFFE validator. */
function trusted(validation: ValidationContextData): readonly CertificateText[] {
  const { trustedCaPem, trustedCaSource, spiffe } = validation;
  if (spiffe !== null) {
    return spiffe.map(({ name, trustBundlePem }) => ({ path: name, pem: trustBundlePem }));
  }
  return trustedCaPem === '' ? [] : [{ path: trustedCaSource, pem: trustedCaPem }];
}
