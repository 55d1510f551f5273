// Light HTTP traffic for tests that change something underneath it: a few clients in closed loops, every other
// request on a connection of its own, the rest on kept ones. Remembers what was answered and what failed.

import http from 'node:http';
import { until } from '../fakes/ads-harness.ts';

export interface LoadOptions {
  readonly port: number;
  readonly path?: string;
  /** Host header; default is the address. */
  readonly host?: string;
  /** Default 4. */
  readonly clients?: number;
}

const PAUSE_MS = 3;
const REQUEST_TIMEOUT_MS = 5000;

export class Load {
  /** Text per request that was not answered with 200. */
  readonly failures: string[] = [];
  readonly #options: LoadOptions;
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  readonly #clients: Promise<void>[];
  readonly #bodies = new Set<string>();
  #answered = 0;
  #sent = 0;
  #isStopped = false;

  /** Starts at once. */
  constructor(options: LoadOptions) {
    this.#options = options;
    this.#clients = Array.from({ length: options.clients ?? 4 }, () => this.#run());
  }

  get answered(): number {
    return this.#answered;
  }

  /** The different bodies since the last call, sorted. */
  takeBodies(): string[] {
    const bodies = [...this.#bodies].sort();
    this.#bodies.clear();
    return bodies;
  }

  /** Resolves when `count` more requests, all begun after the call, were answered. */
  async more(count: number): Promise<void> {
    const begunBefore = this.#sent - this.#answered - this.failures.length;
    const wanted = this.#answered + begunBefore + count;
    await until(
      `${count} more requests are answered (failed: ${this.failures.slice(0, 3).join('; ') || 'none'})`,
      () => this.#answered + this.failures.length >= wanted,
    );
  }

  /** Resolves when the last request is over. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    for (let turn = 0; !this.#isStopped; turn++) {
      this.#sent++;
      await this.#send(turn % 2 === 0 ? this.#agent : false);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  #send(agent: http.Agent | false): Promise<void> {
    const { port, path = '/', host } = this.#options;
    const headers = host === undefined ? {} : { host };
    return new Promise((resolve) => {
      const fail = (text: string) => {
        this.failures.push(text);
        resolve();
      };
      const options = { host: '127.0.0.1', port, path, headers, agent };
      const request = http.get(options, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('error', (error) => fail(error.message));
        response.on('end', () => {
          if (response.statusCode !== 200) return fail(`${response.statusCode} ${body}`);
          this.#answered++;
          this.#bodies.add(body);
          resolve();
        });
      });
      request.setTimeout(REQUEST_TIMEOUT_MS, () => request.destroy(new Error('no answer')));
      request.on('error', (error) => fail(error.message));
    });
  }
}
