// The control plane's own certificate on the xDS port, renewed while the port is open. A certificate
// provider in grpc-js's sense; connections that are open keep theirs.

import type { experimental } from '@grpc/grpc-js';
import type { Clock } from '../../common/clock.ts';
import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { CertificateAuthority, IssuedCertificate } from './authority.ts';

const TTL_MS = 24 * 3_600_000;
/** The wall clock may jump: looked at this often. */
const CHECK_MS = 10_000;

export interface ServerIdentityOptions {
  readonly authority: CertificateAuthority;
  readonly spiffeId: string;
  /** For clients that check names rather than the SPIFFE id. */
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly logger: Logger;
}

export class ServerIdentity implements experimental.CertificateProvider, Disposable {
  readonly #options: ServerIdentityOptions;
  readonly #listeners = new Set<experimental.IdentityCertificateUpdateListener>();
  readonly #timer: Timer;
  #certificate: IssuedCertificate;
  #isIssuing = false;

  private constructor(options: ServerIdentityOptions, certificate: IssuedCertificate) {
    this.#options = options;
    this.#certificate = certificate;
    this.#timer = options.timers.createTimer(() => void this.#check(), null);
    this.#timer.start(CHECK_MS);
  }

  static async create(options: ServerIdentityOptions): Promise<ServerIdentity> {
    return new ServerIdentity(options, await issue(options));
  }

  addIdentityCertificateListener(listener: experimental.IdentityCertificateUpdateListener): void {
    this.#listeners.add(listener);
    // Later: grpc-js adds its server to the credentials only after this returns.
    queueMicrotask(() => {
      if (this.#listeners.has(listener)) listener(this.#update());
    });
  }

  removeIdentityCertificateListener(
    listener: experimental.IdentityCertificateUpdateListener,
  ): void {
    this.#listeners.delete(listener);
  }

  /** Whose certificates clients are asked for. What they prove is decided by join/authn.ts. */
  addCaCertificateListener(listener: experimental.CaCertificateUpdateListener): void {
    const caCertificate = Buffer.from(this.#options.authority.rootsPem);
    queueMicrotask(() => listener({ caCertificate }));
  }

  removeCaCertificateListener(): void {}

  #update(): experimental.IdentityCertificateUpdate {
    return {
      // With the root, by whose fingerprint a joining sidecar finds its trust anchor.
      certificate: Buffer.from(this.#options.authority.chainWithRoot(this.#certificate)),
      privateKey: Buffer.from(this.#certificate.privateKeyPem),
    };
  }

  async #check(): Promise<void> {
    const { notBeforeMs, notAfterMs } = this.#certificate;
    const isDue = this.#options.clock.wallMs() >= (notBeforeMs + notAfterMs) / 2;
    if (isDue && !this.#isIssuing) {
      this.#isIssuing = true;
      try {
        this.#certificate = await issue(this.#options);
        for (const listener of this.#listeners) listener(this.#update());
      } catch (thrown) {
        this.#options.logger.error(
          { error: errorText(thrown) },
          'could not renew the xDS port’s certificate',
        );
      } finally {
        this.#isIssuing = false;
      }
    }
    this.#timer.start(CHECK_MS);
  }

  [Symbol.dispose](): void {
    this.#timer.stop();
  }
}

function issue({ authority, spiffeId, dnsNames, ipAddresses }: ServerIdentityOptions) {
  return authority.issue(spiffeId, TTL_MS, { dnsNames, ipAddresses });
}
