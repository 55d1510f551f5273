// The pace of the soaks' clients: requests at a fixed rate that nobody's slowness holds back, others that follow one
// another all the time, and what came of them.

export interface ClientReport {
  sent: number;
  answered: number;
  /** No response, or one that is not what it should be. */
  lost: number;
  /** A response that belongs to another request. */
  crossed: number;
  /** The right response, with less (or more) of a body than it has. */
  truncated: number;
  /** Turned away at connecting and sent to another sidecar. */
  failovers: number;
  /** Answer times, ms. */
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  /** The first few errors. */
  readonly errors: string[];
}

/** Ends when request `id` is over; rejects when it was lost. Counts the rest of the report by itself. */
export type Exchange = (id: number) => Promise<void>;

export interface Pace {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly request: Exchange;
  /** Each is begun again as soon as it is over. */
  readonly kept: readonly Exchange[];
}

const TICK_MS = 5;
const MAX_ERRORS = 10;

/** Runs once, by run(). */
export class OpenLoop {
  readonly report: ClientReport = {
    ...{ sent: 0, answered: 0, lost: 0, crossed: 0, truncated: 0, failovers: 0 },
    ...{ p50Ms: 0, p99Ms: 0, maxMs: 0, errors: [] },
  };
  readonly #timesMs: number[] = [];
  #nextId = 1;
  #open = 0;
  #isStopped = false;

  /** Ids 1..lastId were sent. */
  get lastId(): number {
    return this.#nextId - 1;
  }

  /** Resolves when the last request is over. */
  async run(pace: Pace): Promise<ClientReport> {
    const { ratePerSecond, durationMs, request, kept } = pace;
    for (const exchange of kept) void this.#keep(exchange);
    const startMs = performance.now();
    const total = Math.round((ratePerSecond * durationMs) / 1000);
    let begun = 0;
    while (begun < total) {
      const due = Math.min(total, ((performance.now() - startMs) * ratePerSecond) / 1000);
      for (; begun < due; begun++) void this.#timed(request);
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    this.#isStopped = true;
    while (this.#open > 0) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    this.#timesMs.sort((a, b) => a - b);
    const at = (share: number) =>
      Math.round(this.#timesMs[Math.floor(share * (this.#timesMs.length - 1))] ?? 0);
    this.report.p50Ms = at(0.5);
    this.report.p99Ms = at(0.99);
    this.report.maxMs = at(1);
    return this.report;
  }

  async #keep(exchange: Exchange): Promise<void> {
    while (!this.#isStopped) await this.#once(exchange);
  }

  async #timed(exchange: Exchange): Promise<void> {
    const startMs = performance.now();
    if (await this.#once(exchange)) this.#timesMs.push(performance.now() - startMs);
  }

  /** False = lost. */
  async #once(exchange: Exchange): Promise<boolean> {
    const id = this.#nextId++;
    const { report } = this;
    report.sent++;
    this.#open++;
    try {
      await exchange(id);
      return true;
    } catch (thrown) {
      report.lost++;
      if (report.errors.length < MAX_ERRORS) report.errors.push(`${id}: ${thrown}`);
      return false;
    } finally {
      this.#open--;
    }
  }
}
