// A certificate per node, renewed at about half its life. Reconcile asks `get`; when there is none (or one
// for another identity) it is issued in the background and `onIssued` asks for another round.
//
//   absent -> issuing -> current --(half life, jittered)--> issuing (the old one stays in use) -> current

import type { Clock, Random } from '../../common/clock.ts';
import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { CertificateAuthority, IssuedCertificate } from './authority.ts';

/** Renewals are spread over this share of the life around its half, so that a mesh does not renew at once. */
const JITTER = 0.1;
/** The wall clock may jump (a paused machine): due times are looked at again at least this often. */
const MAX_SLEEP_MS = 10_000;
const RETRY_MS = 5_000;

interface Entry {
  spiffeId: string;
  ttlMs: number;
  certificate: IssuedCertificate | null;
  isIssuing: boolean;
  renewAtMs: number;
}

export interface NodeCertificatesOptions {
  readonly authority: CertificateAuthority;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly logger: Logger;
  /** A certificate became available or was renewed. */
  readonly onIssued: () => void;
}

export class NodeCertificates implements Disposable {
  readonly #options: NodeCertificatesOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #timer: Timer;
  #isClosed = false;

  constructor(options: NodeCertificatesOptions) {
    this.#options = options;
    this.#timer = options.timers.createTimer(() => this.#renewDue(), null);
    this.#timer.start(MAX_SLEEP_MS);
  }

  /** The node's certificate, or null while the first one is being issued. */
  get(nodeId: string, spiffeId: string, ttlMs: number): IssuedCertificate | null {
    let entry = this.#entries.get(nodeId);
    if (entry === undefined || entry.spiffeId !== spiffeId || entry.ttlMs !== ttlMs) {
      // A certificate of another identity must never be handed out again; one of the old lifetime may.
      const certificate = entry?.spiffeId === spiffeId ? entry.certificate : null;
      entry = { spiffeId, ttlMs, certificate, isIssuing: false, renewAtMs: 0 };
      this.#entries.set(nodeId, entry);
    }
    if (this.#options.clock.wallMs() >= entry.renewAtMs) void this.#issue(nodeId, entry);
    return entry.certificate;
  }

  /** Forgets every node that is not in `nodeIds`. */
  retain(nodeIds: ReadonlySet<string>): void {
    for (const nodeId of this.#entries.keys()) {
      if (!nodeIds.has(nodeId)) this.#entries.delete(nodeId);
    }
  }

  async #issue(nodeId: string, entry: Entry): Promise<void> {
    if (entry.isIssuing) return;
    entry.isIssuing = true;
    const { authority, clock, random, logger, onIssued } = this.#options;
    try {
      const certificate = await authority.issue(entry.spiffeId, entry.ttlMs);
      entry.certificate = certificate;
      const nowMs = clock.wallMs();
      entry.renewAtMs = nowMs + entry.ttlMs * (0.5 + JITTER * (random() - 0.5));
      logger.debug({ nodeId, spiffeId: entry.spiffeId }, 'issued a certificate');
    } catch (thrown) {
      entry.renewAtMs = clock.wallMs() + RETRY_MS;
      logger.error({ nodeId, error: errorText(thrown) }, 'could not issue a certificate');
    } finally {
      entry.isIssuing = false;
    }
    if (!this.#isClosed && this.#entries.get(nodeId) === entry) onIssued();
  }

  #renewDue(): void {
    const nowMs = this.#options.clock.wallMs();
    for (const [nodeId, entry] of this.#entries) {
      if (nowMs >= entry.renewAtMs) void this.#issue(nodeId, entry);
    }
    this.#timer.start(MAX_SLEEP_MS);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer.stop();
  }
}
