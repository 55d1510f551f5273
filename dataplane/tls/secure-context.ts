// One side's OpenSSL contexts, rebuilt when a secret they use changes or a certificate they rest on expires.
// Called by the downstream and upstream contexts; knows nothing of sockets.

import { constants, X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import { pemBlocks } from '../../common/der.ts';
import {
  type CommonTlsConfig,
  type DownstreamTlsConfig,
  mergeValidation,
  type SecretData,
  type TlsCertificateData,
  type ValidationContextData,
} from '../api/config/tls.ts';
import type { SecretStore } from './secret-store.ts';
import { type CertificateChoice, ServerNames } from './server-names.ts';
import { fingerprint, TICKET_KEY_LIFE_MS, ticketKey } from './session-tickets.ts';

/**
 * Envoy's default TLS 1.2 suites in OpenSSL spelling (its docs, CommonTlsContext.tls_params); the three
 * TLS 1.3 suites are always on.
 */
const defaultCipherSuites = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
];
const tls13CipherSuites = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
];
const defaultCurves = ['X25519', 'P-256'];

/** What tls.TLSSocket calls with the name a client asks for (options.SNICallback), as its method. */
export type SniCallback = (
  this: tls.TLSSocket,
  serverName: string,
  callback: (error: Error | null, context?: tls.SecureContext) => void,
) => void;

/** A certificate in use, for the gauges `ssl.certificate.<name>.expiration_unix_time_seconds`. */
export interface NamedExpiry {
  readonly name: string;
  readonly expiresMs: number;
}

/** The contexts and what the peer must satisfy, as of now. */
export class CurrentContext {
  /** Null = the peer is not verified at all. */
  readonly validation: ValidationContextData | null;
  /** What we show ourselves with. */
  readonly certificates: readonly TlsCertificateData[];
  readonly expiries: readonly NamedExpiry[];
  /** Parsed once for all connections; null = none, or several and the handshake decides. */
  readonly onlyLeaf: X509Certificate | null;
  /** Null = one context serves every name. */
  readonly sniCallback: SniCallback | null;
  readonly #options: tls.SecureContextOptions;
  readonly #names: ServerNames | null;
  readonly #byChoice = new Map<string, tls.SecureContext>();
  readonly #default: tls.SecureContext;

  /** Throws OpenSSL's error when the material is unusable. */
  constructor(
    options: tls.SecureContextOptions,
    certificates: readonly TlsCertificateData[],
    validation: ValidationContextData | null,
    expiries: readonly NamedExpiry[],
    scansAllOnMismatch: boolean,
  ) {
    this.validation = validation;
    this.certificates = certificates;
    this.expiries = expiries;
    const leafs = certificates.map(leafOf);
    this.onlyLeaf = leafs.length === 1 ? (leafs[0] ?? null) : null;
    this.#options = options;
    this.#names = certificates.length > 1 ? new ServerNames(leafs, scansAllOnMismatch) : null;
    if (this.#names === null) {
      this.#default = tls.createSecureContext({ ...options, ...certificateOptions(certificates) });
      this.sniCallback = null;
    } else {
      // All of them now: a key that OpenSSL refuses must not wait for its first client.
      for (const certificate of certificates) {
        tls.createSecureContext(certificateOptions([certificate]));
      }
      this.#default = this.#contextOf(this.#names.choose(''));
      const byName = (serverName: string, isEcdsaCapable: boolean) =>
        this.#oneCertificateFor(serverName, isEcdsaCapable);
      // Node takes one certificate of the context that it is given here, so it must be the right one.
      this.sniCallback = function (serverName, callback) {
        const isEcdsaCapable = this.getSharedSigalgs().some((name) => name.startsWith('ECDSA'));
        callback(null, byName(serverName, isEcdsaCapable));
      };
    }
  }

  /** `serverName` '' = the client named none, or nobody has looked yet. */
  contextFor(serverName: string): tls.SecureContext {
    if (this.#names === null || serverName === '') return this.#default;
    return this.#contextOf(this.#names.choose(serverName));
  }

  #oneCertificateFor(serverName: string, isEcdsaCapable: boolean): tls.SecureContext {
    const names = this.#names;
    if (names === null) return this.#default;
    const { ecdsa, rsa } = names.choose(serverName);
    const takesEcdsa = ecdsa !== -1 && (isEcdsaCapable || rsa === -1);
    return this.#contextOf(takesEcdsa ? { ecdsa, rsa: -1 } : { ecdsa: -1, rsa });
  }

  /** At most one per pair of certificates, however many names clients make up. */
  #contextOf({ ecdsa, rsa }: CertificateChoice): tls.SecureContext {
    const key = `${ecdsa} ${rsa}`;
    let context = this.#byChoice.get(key);
    if (context === undefined) {
      const chosen = [ecdsa, rsa].flatMap((i) => this.certificates[i] ?? []);
      context = tls.createSecureContext({ ...this.#options, ...certificateOptions(chosen) });
      this.#byChoice.set(key, context);
    }
    return context;
  }
}

/** Keeps the current context of one TLS config. Null while an SDS secret is missing. */
export class SecureContextSource {
  readonly #config: CommonTlsConfig;
  /** Null = a client's. */
  readonly #server: DownstreamTlsConfig | null;
  readonly #secrets: SecretStore;
  readonly #unsubscribe: (() => void)[] = [];
  readonly #onUpdateFailed: () => void;
  #current: CurrentContext | null = null;
  #stale = true;
  #rebuildAtMs = Number.POSITIVE_INFINITY;

  /**
   * `onSecret`: called for each secret that came; `onUpdateFailed`: OpenSSL refused what came, the last good
   * context stays in use.
   */
  constructor(
    config: CommonTlsConfig,
    server: DownstreamTlsConfig | null,
    secrets: SecretStore,
    events: { readonly onSecret: () => void; readonly onUpdateFailed: () => void },
  ) {
    this.#config = config;
    this.#server = server;
    this.#secrets = secrets;
    this.#onUpdateFailed = events.onUpdateFailed;
    const onChange = () => {
      this.#stale = true;
      events.onSecret();
    };
    for (const source of config.certificates) {
      if (source.kind === 'sds') this.#unsubscribe.push(secrets.subscribe(source.name, onChange));
    }
    const { sdsName } = config.validation;
    if (sdsName !== null) this.#unsubscribe.push(secrets.subscribe(sdsName, onChange));
    if (server?.sessionTickets.kind === 'sds') {
      this.#unsubscribe.push(secrets.subscribe(server.sessionTickets.name, onChange));
    }
  }

  /** Built at first use after a change. A pair that OpenSSL refuses keeps the former context. */
  current(): CurrentContext | null {
    if (!this.#stale && this.#secrets.clock.wallMs() < this.#rebuildAtMs) return this.#current;
    this.#stale = false;
    try {
      const built = this.#build();
      if (built !== null) this.#current = built;
    } catch {
      this.#onUpdateFailed();
    }
    return this.#current;
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #build(): CurrentContext | null {
    const certificates: TlsCertificateData[] = [];
    const expiries: NamedExpiry[] = [];
    for (const source of this.#config.certificates) {
      const certificate = this.#certificate(source);
      if (certificate === null) return null;
      certificates.push(certificate);
      const name = source.kind === 'inline' ? UNNAMED_CERTIFICATE : source.name;
      expiries.push({ name, expiresMs: leafOf(certificate).validToDate.getTime() });
    }
    const validation = this.#validation();
    if (validation === undefined) return null;
    const anchors = trustAnchors(validation);
    const first = anchors[0];
    if (first !== undefined) {
      const name = this.#config.validation.sdsName ?? UNNAMED_CA;
      expiries.push({ name, expiresMs: first.validToDate.getTime() });
    }
    const options = this.#options(validation);
    const server = this.#server;
    if (server !== null) {
      const tickets = this.#ticketOptions(server, certificates, validation, anchors);
      if (tickets === null) return null;
      Object.assign(options, tickets);
    }
    const scansAll = server?.fullScanCertsOnSniMismatch ?? false;
    return new CurrentContext(options, certificates, validation, expiries, scansAll);
  }

  #certificate(source: CommonTlsConfig['certificates'][number]): TlsCertificateData | null {
    if (source.kind === 'inline') return source.certificate;
    const secret = this.#secrets.get(source.name);
    return secret?.kind === 'tls_certificate' ? secret.certificate : null;
  }

  #options(validation: ValidationContextData | null): tls.SecureContextOptions {
    const { cipherSuites, ecdhCurves, signatureAlgorithms, minVersion, maxVersion } = this.#config;
    const suites = cipherSuites.length > 0 ? cipherSuites : defaultCipherSuites;
    const ciphers = suites.some((suite) => suite.startsWith('TLS_'))
      ? [...suites]
      : [...tls13CipherSuites, ...suites];
    // TLS 1.0 and 1.1 sign with SHA-1, which OpenSSL 3 allows at level 0 only.
    if (minVersion === 'TLSv1' || minVersion === 'TLSv1.1') ciphers.push('@SECLEVEL=0');
    const options: tls.SecureContextOptions = {
      minVersion,
      maxVersion,
      ciphers: ciphers.join(':'),
      ecdhCurve: (ecdhCurves.length > 0 ? ecdhCurves : defaultCurves).join(':'),
      honorCipherOrder: this.#server?.preferClientCiphers !== true,
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ca: trustedCas(validation),
      // X509_V_FLAG_PARTIAL_CHAIN, as Envoy: an intermediate can be a trust anchor.
      allowPartialTrustChain: true,
    };
    if (signatureAlgorithms.length > 0) options.sigalgs = signatureAlgorithms.join(':');
    if (validation !== null && validation.crlPem !== '' && !validation.onlyVerifyLeafCertCrl) {
      options.crl = validation.crlPem;
    }
    return options;
  }

  /** Null = the secret with the keys has not come. */
  #ticketOptions(
    server: DownstreamTlsConfig,
    certificates: readonly TlsCertificateData[],
    validation: ValidationContextData | null,
    anchors: readonly X509Certificate[],
  ): tls.SecureContextOptions | null {
    const { sessionTickets } = server;
    const secret = sessionTickets.kind === 'sds' ? this.#secrets.get(sessionTickets.name) : null;
    if (sessionTickets.kind === 'sds' && secret?.kind !== 'session_ticket_keys') return null;
    const wallMs = this.#secrets.clock.wallMs();
    const ends = anchors.map(({ validToDate }) => validToDate.getTime());
    const expired = ends.filter((end) => end < wallMs).length;
    const nextEpochMs = (Math.floor(wallMs / TICKET_KEY_LIFE_MS) + 1) * TICKET_KEY_LIFE_MS;
    this.#rebuildAtMs = Math.min(nextEpochMs, ...ends.filter((end) => end >= wallMs).map(next));
    const context = fingerprint([
      JSON.stringify(validation),
      ...certificates.map(({ certificateChainPem }) => certificateChainPem),
      `${server.requireClientCertificate} ${server.requireSni} ${expired}`,
    ]);
    const key = ticketKey(
      sessionTickets,
      secret,
      { seed: this.#secrets.ticketSeed, wallMs },
      context,
    );
    const options = {
      // OpenSSL resumes nothing of another context, nor, with client certificates, without one.
      sessionIdContext: context.slice(0, 32),
      sessionTimeout: server.sessionTimeoutS,
    };
    if (key !== null) return { ...options, ticketKeys: key };
    const { SSL_OP_NO_TICKET, SSL_OP_NO_RENEGOTIATION } = constants;
    return { ...options, secureOptions: SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION };
  }

  /** undefined = an SDS secret is missing; null = no validation configured. */
  #validation(): ValidationContextData | null | undefined {
    const { base, sdsName } = this.#config.validation;
    if (sdsName === null) return base;
    const secret: SecretData | null = this.#secrets.get(sdsName);
    if (secret?.kind !== 'validation_context') return undefined;
    return mergeValidation(base, secret.validation);
  }
}

/** Envoy's names of what stands inline: the hash is that of the empty name. */
const UNNAMED_CERTIFICATE = 'unnamed_cert_e3b0c442';
const UNNAMED_CA = 'unnamed_ca_cert_e3b0c442';

/** The first moment at which a certificate with this end is expired. */
function next(endMs: number): number {
  return endMs + 1;
}

function leafOf({ certificateChainPem }: TlsCertificateData): X509Certificate {
  return new X509Certificate(certificateChainPem);
}

function certificateOptions(certificates: readonly TlsCertificateData[]): tls.SecureContextOptions {
  if (certificates.length === 0) return {};
  return {
    cert: certificates.map(({ certificateChainPem }) => certificateChainPem),
    key: certificates.map(({ privateKeyPem, password }) =>
      password === '' ? privateKeyPem : { pem: privateKeyPem, passphrase: password },
    ) as string[], // Node's type wants one element kind; the mix is documented as accepted.
  };
}

function trustedCas(validation: ValidationContextData | null): string | string[] {
  if (validation === null) return [];
  if (validation.spiffe !== null) return validation.spiffe.map((domain) => domain.trustBundlePem);
  if (validation.systemRootCerts) return tls.getCACertificates('system');
  return validation.trustedCaPem === '' ? [] : validation.trustedCaPem;
}

/** Without the system's: those are many, and nobody rotates them under us. */
export function trustAnchors(validation: ValidationContextData | null): readonly X509Certificate[] {
  if (validation === null) return [];
  const texts =
    validation.spiffe === null
      ? [validation.trustedCaPem]
      : validation.spiffe.map((domain) => domain.trustBundlePem);
  return texts.flatMap(certificatesIn);
}

/** Every certificate of a PEM text. Throws when one is malformed; the compiler has looked before. */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  return pemBlocks(pem, 'CERTIFICATE').map((der) => new X509Certificate(der));
}
