// Counters below `listener.<addr>.ssl.` and `cluster.<name>.ssl.`, names as Envoy's. What of them Node does
// not tell stands in docs/differences.md.

import type { TLSSocket } from 'node:tls';
import type { CollectsMore, StatField, StatScope, StatSink } from '../api/stats.ts';
import type { VerificationFailure } from './peer-verification.ts';
import type { NamedExpiry } from './secure-context.ts';

/** The parts of a name that hold a tag: `ssl.ciphers.<cipher>` and the like. */
const taggedNames = {
  ciphers: 'envoy_ssl_cipher',
  versions: 'envoy_ssl_version',
  curves: 'envoy_ssl_curve',
} as const;
type Tagged = keyof typeof taggedNames;

/** OpenSSL's names of the curves that Envoy spells otherwise. */
const curveNames: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

export class SslStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [
    { field: 'handshake', name: 'ssl.handshake', kind: 'counter' },
    { field: 'sessionReused', name: 'ssl.session_reused', kind: 'counter' },
    { field: 'connectionError', name: 'ssl.connection_error', kind: 'counter' },
    { field: 'noCertificate', name: 'ssl.no_certificate', kind: 'counter' },
    { field: 'failVerifyNoCert', name: 'ssl.fail_verify_no_cert', kind: 'counter' },
    { field: 'failVerifyError', name: 'ssl.fail_verify_error', kind: 'counter' },
    { field: 'failVerifySan', name: 'ssl.fail_verify_san', kind: 'counter' },
    { field: 'failVerifyCertHash', name: 'ssl.fail_verify_cert_hash', kind: 'counter' },
    { field: 'ocspStapleRequests', name: 'ssl.ocsp_staple_requests', kind: 'counter' },
    { field: 'ocspStapleResponses', name: 'ssl.ocsp_staple_responses', kind: 'counter' },
    { field: 'ocspStapleOmitted', name: 'ssl.ocsp_staple_omitted', kind: 'counter' },
    { field: 'ocspStapleFailed', name: 'ssl.ocsp_staple_failed', kind: 'counter' },
    { field: 'contextUpdateFailed', name: 'ssl.context_update_failed', kind: 'counter' },
    // Ours: Envoy would not have started.
    { field: 'keyLogFailed', name: 'ssl.key_log_failed', kind: 'counter' },
  ];

  handshake = 0;
  sessionReused = 0;
  connectionError = 0;
  noCertificate = 0;
  failVerifyNoCert = 0;
  failVerifyError = 0;
  failVerifySan = 0;
  failVerifyCertHash = 0;
  ocspStapleRequests = 0;
  ocspStapleResponses = 0;
  ocspStapleOmitted = 0;
  ocspStapleFailed = 0;
  contextUpdateFailed = 0;
  keyLogFailed = 0;
  sslContextUpdateBySds = 0;
  upstreamContextSecretsNotReady = 0;
  downstreamContextSecretsNotReady = 0;
  readonly #factory: string;
  // Keyed by what OpenSSL negotiated out of our own lists, so bounded by config.
  readonly #counts: Readonly<Record<Tagged, Map<string, number>>> = {
    ciphers: new Map(),
    versions: new Map(),
    curves: new Map(),
  };
  readonly #expiries = new Map<string, number>();

  /** 'server' of a listener, 'client' of a cluster. */
  constructor(side: 'server' | 'client' = 'server') {
    this.#factory = `${side}_ssl_socket_factory`;
  }

  /** A handshake that passed every check. */
  countHandshake(socket: TLSSocket): void {
    this.handshake++;
    if (socket.isSessionReused()) this.sessionReused++;
    this.#count('ciphers', socket.getCipher()?.name);
    this.#count('versions', socket.getProtocol());
    // Null on servers: there Node does not tell.
    const key = socket.getEphemeralKeyInfo();
    const curve = key !== null && 'name' in key ? key.name : undefined;
    this.#count('curves', curve === undefined ? undefined : (curveNames[curve] ?? curve));
  }

  countFailure(failure: VerificationFailure): void {
    switch (failure) {
      case 'fail_verify_no_cert':
        this.failVerifyNoCert++;
        return;
      case 'fail_verify_error':
        this.failVerifyError++;
        return;
      case 'fail_verify_san':
        this.failVerifySan++;
        return;
      case 'fail_verify_cert_hash':
        this.failVerifyCertHash++;
        return;
      default:
        failure satisfies never;
    }
  }

  /** The certificates of a context that was built. */
  setExpiries(expiries: readonly NamedExpiry[]): void {
    for (const { name, expiresMs } of expiries) {
      this.#expiries.set(name, Math.floor(expiresMs / 1000));
    }
  }

  collectMore(scope: StatScope, sink: StatSink): void {
    const factory = (name: string, value: number) =>
      sink.value(scope, `${this.#factory}.${name}`, 'counter', value);
    factory('ssl_context_update_by_sds', this.sslContextUpdateBySds);
    factory('upstream_context_secrets_not_ready', this.upstreamContextSecretsNotReady);
    factory('downstream_context_secrets_not_ready', this.downstreamContextSecretsNotReady);
    for (const kind of ['ciphers', 'versions', 'curves'] as const) {
      for (const [value, count] of this.#counts[kind]) {
        const label = { [taggedNames[kind]]: value };
        sink.tagged(scope, `ssl.${kind}.${value}`, `ssl_${kind}`, label, 'counter', count);
      }
    }
    for (const [certificate, expiresS] of this.#expiries) {
      sink.tagged(
        scope,
        `ssl.certificate.${certificate}.expiration_unix_time_seconds`,
        'ssl_certificate_expiration_unix_time_seconds',
        { envoy_tls_certificate: certificate },
        'gauge-max',
        expiresS,
      );
    }
  }

  #count(kind: Tagged, value: string | null | undefined): void {
    if (value === null || value === undefined || value === '') return;
    const counts = this.#counts[kind];
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
}
