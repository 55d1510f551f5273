// GETs at a steady pace over kept connections, each with its status and time. For soaks that look at single answers.

import http from 'node:http';

export interface TimedAnswer {
  /** performance.now() when it was sent. */
  readonly sentMs: number;
  readonly tookMs: number;
  /** 0 = the connection broke. */
  readonly status: number;
}

/** Begins at once; stop() ends it and waits for what is under way. */
export class PacedClient {
  readonly answers: TimedAnswer[] = [];
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 50 });
  readonly #timer: NodeJS.Timeout;
  #open = 0;
  #whenIdle: (() => void) | null = null;

  constructor(port: number, ratePerSecond: number) {
    this.#timer = setInterval(() => this.#send(port), 1000 / ratePerSecond);
  }

  async stop(): Promise<readonly TimedAnswer[]> {
    clearInterval(this.#timer);
    if (this.#open > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    this.#agent.destroy();
    return this.answers;
  }

  #send(port: number): void {
    const sentMs = performance.now();
    this.#open++;
    let isOver = false;
    const finish = (status: number): void => {
      if (isOver) return;
      isOver = true;
      this.answers.push({ sentMs, tookMs: performance.now() - sentMs, status });
      if (--this.#open === 0) this.#whenIdle?.();
    };
    const request = http.get({ port, host: '127.0.0.1', agent: this.#agent }, (response) => {
      response.resume();
      response.on('end', () => finish(response.statusCode ?? 0));
      response.on('error', () => finish(0));
    });
    request.on('error', () => finish(0));
  }
}

/** Of an unsorted list; 0 = it is empty. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
