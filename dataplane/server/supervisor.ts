// The worker threads as main sees them: start, broadcast, ask, stop. Knows no resources.

import { randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import type { Logger } from '../../common/logger.ts';
import type { FromWorker, QueryReplies, ToWorker, WorkerData } from './worker-channel.ts';

/**
 * Young generation of a worker: three semi-spaces of 4 MiB. The launcher's flag says the same for the whole
 * process (bin/remora.js has the figures); this holds when the server is started otherwise.
 */
const WORKER_YOUNG_GENERATION_MB = 12;
const TICKET_SEED_BYTES = 32;

export interface SupervisorCallbacks {
  onMessage(workerIndex: number, message: FromWorker): void;
  /** A worker died by itself. The process cannot go on: its counts in shared memory are lost. */
  onWorkerDied(workerIndex: number, reason: string): void;
}

/** Starts `count` workers and talks to them. */
export class Supervisor {
  /** By index. */
  readonly #workers: Worker[] = [];
  readonly #ended = new Set<Worker>();
  readonly #pending = new Map<number, (data: unknown) => void>();
  readonly #callbacks: SupervisorCallbacks;
  readonly #logger: Logger;
  #nextRequest = 1;
  #stopping = false;

  constructor(callbacks: SupervisorCallbacks, logger: Logger) {
    this.#callbacks = callbacks;
    this.#logger = logger;
  }

  get count(): number {
    return this.#workers.length;
  }

  /** Resolves when every worker runs; rejects when one died before. */
  async start(
    count: number,
    data: Omit<WorkerData, 'workerIndex' | 'concurrency' | 'ticketSeed'>,
  ): Promise<void> {
    // As source the worker is a .ts file, compiled a .js one.
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    const ready: Promise<void>[] = [];
    const ticketSeed = randomBytes(TICKET_SEED_BYTES);
    for (let workerIndex = 0; workerIndex < count; workerIndex++) {
      const workerData: WorkerData = { ...data, workerIndex, concurrency: count, ticketSeed };
      const worker = new Worker(new URL(file, import.meta.url), {
        name: `wrk:worker_${workerIndex}`,
        workerData,
        resourceLimits: { maxYoungGenerationSizeMb: WORKER_YOUNG_GENERATION_MB },
      });
      this.#workers.push(worker);
      ready.push(
        new Promise((resolve, reject) => {
          worker.on('message', (message: FromWorker) => {
            if (message.type === 'ready') resolve();
            else this.#receive(workerIndex, message);
          });
          worker.once('exit', (code) => {
            const reason = `worker ${workerIndex} died before it was ready (exit code ${code})`;
            reject(new Error(reason));
          });
        }),
      );
      worker.on('error', (error: Error) => {
        this.#logger.fatal({ workerIndex, err: error }, 'worker failed');
      });
      // Follows an error, too.
      worker.once('exit', (code) => {
        this.#ended.add(worker);
        if (!this.#stopping) this.#callbacks.onWorkerDied(workerIndex, `exit code ${code}`);
      });
    }
    await Promise.all(ready);
  }

  broadcast(message: ToWorker): void {
    for (const worker of this.#workers) worker.postMessage(message);
  }

  send(workerIndex: number, message: ToWorker): void {
    this.#workers[workerIndex]?.postMessage(message);
  }

  /** A number for a message whose answer carries it back. */
  request(onReply: (data: unknown) => void): number {
    const request = this.#nextRequest++;
    this.#pending.set(request, onReply);
    return request;
  }

  /** Asks every worker; resolves with their answers by worker index. */
  query<What extends keyof QueryReplies>(what: What): Promise<QueryReplies[What][]> {
    return Promise.all(
      this.#workers.map(
        (worker) =>
          new Promise<QueryReplies[What]>((resolve) => {
            // The worker answers this `what` with its type of QueryReplies (worker.ts, answerQuery).
            const request = this.request((data) => resolve(data as QueryReplies[What]));
            worker.postMessage({ type: 'query', request, what } satisfies ToWorker);
          }),
      ),
    );
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      this.#workers.map(
        (worker) =>
          new Promise<void>((resolve) => {
            if (this.#ended.has(worker)) resolve();
            worker.once('exit', () => resolve());
            worker.postMessage({ type: 'stop' } satisfies ToWorker);
          }),
      ),
    );
  }

  #receive(workerIndex: number, message: FromWorker): void {
    if (message.type === 'reply') this.#settle(message.request, message.data);
    else if (message.type === 'listening') this.#settle(message.request, message);
    else if (message.type === 'drained') this.#settle(message.request, null);
    else this.#callbacks.onMessage(workerIndex, message);
  }

  #settle(request: number, data: unknown): void {
    const onReply = this.#pending.get(request);
    this.#pending.delete(request);
    onReply?.(data);
  }
}
