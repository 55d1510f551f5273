// Which of the grpc_services is called next, as Envoy's failover: the primary until it failed twice without ever having
// told anything, then both in turn until one of them does. A failover that told something is kept for as long as its
// stream lasts; once the primary has, nobody else is asked any more.

const PRIMARY = 0;
const FAILOVER = 1;
const FAILURES_BEFORE_FAILOVER = 2;

export class ServerChoice {
  readonly #hasFailover: boolean;
  #index = PRIMARY;
  #primaryFailures = 0;
  #isPrimaryKnown = false;
  /** The last that told anything; -1 = none yet. */
  #lastHeard = -1;

  constructor(hasFailover: boolean) {
    this.#hasFailover = hasFailover;
  }

  get index(): number {
    return this.#index;
  }

  /** What we hold was told by another one: its versions mean nothing to this one. */
  get isOther(): boolean {
    return this.#lastHeard >= 0 && this.#lastHeard !== this.#index;
  }

  onMessage(): void {
    this.#lastHeard = this.#index;
    if (this.#index === PRIMARY) this.#isPrimaryKnown = true;
  }

  onClosed(): void {
    if (!this.#hasFailover || this.#isPrimaryKnown || this.#index === FAILOVER) {
      this.#index = PRIMARY;
    } else if (++this.#primaryFailures >= FAILURES_BEFORE_FAILOVER) {
      this.#index = FAILOVER;
    }
  }
}
