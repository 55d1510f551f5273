// The light traffic of `remora up`: an open loop of GETs, and what came of them second by second.

import http from 'node:http';

/** One finished request. */
export interface Sample {
  readonly startedMs: number;
  readonly latencyMs: number;
  /** 0 = no response. */
  readonly status: number;
  /** Version of the service that `shareOf` names, out of the answer; '' = not said. */
  readonly version: string;
  /** Error text, '' when the status is 200. */
  readonly error: string;
}

export interface TrafficOptions {
  readonly url: string;
  readonly requestsPerSecond: number;
  readonly versionOf: (body: string) => string;
  readonly onSample: (sample: Sample) => void;
}

const TICK_MS = 10;
const REQUEST_TIMEOUT_MS = 10_000;

/** Sends until stopped; a slow answer does not slow the next request down. */
export class Traffic {
  readonly #options: TrafficOptions;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
  #timer: NodeJS.Timeout | null = null;
  #startedMs = 0;
  #sent = 0;
  #inFlight = 0;
  #onIdle: (() => void) | null = null;

  constructor(options: TrafficOptions) {
    this.#options = options;
  }

  start(): void {
    this.#startedMs = performance.now();
    this.#sent = 0;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Stops sending; resolves when every request has been answered or has failed. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    this.#agent.destroy();
  }

  #tick(): void {
    const due = ((performance.now() - this.#startedMs) / 1000) * this.#options.requestsPerSecond;
    while (this.#sent < due) {
      this.#sent++;
      this.#send();
    }
  }

  #send(): void {
    const startedMs = performance.now();
    this.#inFlight++;
    let finished = false;
    const finish = (status: number, body: string, error: string) => {
      if (finished) return;
      finished = true;
      this.#options.onSample({
        startedMs,
        latencyMs: performance.now() - startedMs,
        status,
        version: status === 200 ? this.#options.versionOf(body) : '',
        error: status === 200 ? '' : error || `${status} ${body.slice(0, 200)}`,
      });
      if (--this.#inFlight === 0) this.#onIdle?.();
    };
    const request = http.get(this.#options.url, { agent: this.#agent }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => finish(response.statusCode ?? 0, body, ''));
      response.on('error', (error) => finish(0, '', error.message));
    });
    request.setTimeout(REQUEST_TIMEOUT_MS, () => request.destroy(new Error('no answer in 10 s')));
    request.on('error', (error) => finish(0, '', error.message));
  }
}

/** What one second looked like. */
export interface SecondSummary {
  readonly requests: number;
  readonly errors: number;
  /** Requests by version, sorted by name. */
  readonly versions: readonly (readonly [string, number])[];
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export function summarise(samples: readonly Sample[]): SecondSummary {
  const latencies = samples.map((sample) => sample.latencyMs).sort((a, b) => a - b);
  const at = (share: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  const versions = new Map<string, number>();
  for (const { version } of samples) {
    if (version !== '') versions.set(version, (versions.get(version) ?? 0) + 1);
  }
  return {
    requests: samples.length,
    errors: samples.filter((sample) => sample.error !== '').length,
    versions: [...versions].sort(([a], [b]) => a.localeCompare(b)),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  };
}
