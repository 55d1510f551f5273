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
/** Under way at once. Signing takes some 3.5 ms of this thread: thousands at once would leave no turn to anything else. */
const MAX_ISSUING = 4;

interface Entry {
  spiffeId: string;
  ttlMs: number;
  certificate: IssuedCertificate | null;
  /** Under way, or waits for its turn. */
  isIssuing: boolean;
  renewAtMs: number;
}

export interface NodeCertificatesOptions {
  readonly authority: Pick<CertificateAuthority, 'issue'>;
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
  /** In order of need. */
  readonly #waiting: (readonly [nodeId: string, entry: Entry])[] = [];
  #issuing = 0;
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
    if (this.#options.clock.wallMs() >= entry.renewAtMs) this.#need(nodeId, entry);
    return entry.certificate;
  }

  /** Forgets every node that is not in `nodeIds`. */
  retain(nodeIds: ReadonlySet<string>): void {
    for (const nodeId of this.#entries.keys()) {
      if (!nodeIds.has(nodeId)) this.#entries.delete(nodeId);
    }
  }

  #need(nodeId: string, entry: Entry): void {
    if (entry.isIssuing) return;
    entry.isIssuing = true;
    this.#waiting.push([nodeId, entry]);
    this.#issueNext();
  }

  #issueNext(): void {
    while (this.#issuing < MAX_ISSUING && !this.#isClosed) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const [nodeId, entry] = next;
      // Meanwhile it was forgotten, or has become another identity's.
      if (this.#entries.get(nodeId) !== entry) continue;
      this.#issuing++;
      void this.#issue(nodeId, entry).then(() => {
        this.#issuing--;
        this.#issueNext();
      });
    }
  }

  /** Never rejects. */
  async #issue(nodeId: string, entry: Entry): Promise<void> {
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
      if (nowMs >= entry.renewAtMs) this.#need(nodeId, entry);
    }
    this.#timer.start(MAX_SLEEP_MS);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#timer.stop();
  }
}
