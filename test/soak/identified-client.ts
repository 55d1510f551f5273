// The client of the soaks: an open loop at a fixed rate over one or two sidecars, with kept connections as any HTTP
// client has them. It goes to the next sidecar only when it could not connect, because then nothing was sent;
// whatever else goes wrong with a request is a loss. Never sends a request twice.

import http from 'node:http';
import net from 'node:net';
import { expectedBody } from './identified-upstream.ts';
import { type ClientReport, OpenLoop } from './open-loop.ts';

export interface ClientOptions {
  /** Read at each request. */
  ports(): readonly number[];
  readonly ratePerSecond: number;
  readonly durationMs: number;
  /** Every n-th request is a POST with a body; 0 = none. */
  readonly postEvery: number;
  /** So many streams of `streamMs` are kept open all the time, besides the rate. */
  readonly streams: number;
  readonly streamMs: number;
  /** So many WebSockets are open all the time; each echoes for `streamMs` and ends. */
  readonly webSockets: number;
  /** Kept connections per sidecar, at most. */
  readonly maxConnections: number;
}

const REQUEST_TIMEOUT_MS = 20_000;
const MAX_ATTEMPTS = 50;
const FAILOVER_PAUSE_MS = 20;

/** Runs once, by run(). */
export class IdentifiedClient {
  readonly #options: ClientOptions;
  readonly #loop = new OpenLoop();
  readonly #agents = new Map<number, http.Agent>();

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Ids 1..lastId were sent. */
  get lastId(): number {
    return this.#loop.lastId;
  }

  /** Resolves when the last request is over. */
  async run(): Promise<ClientReport> {
    const { ratePerSecond, durationMs, streams, streamMs, webSockets } = this.#options;
    const report = await this.#loop.run({
      ...{ ratePerSecond, durationMs },
      request: (id) => this.#deliver(id, 0),
      kept: [
        ...Array.from({ length: streams }, () => (id: number) => this.#deliver(id, streamMs)),
        ...Array.from({ length: webSockets }, () => (id: number) => this.#echo(id)),
      ],
    });
    for (const agent of this.#agents.values()) agent.destroy();
    return report;
  }

  async #echo(id: number): Promise<void> {
    const { report } = this.#loop;
    for (let attempt = 0; ; attempt++) {
      const ports = this.#options.ports();
      const port = ports[(id + attempt) % ports.length]!;
      if (await echoThroughTunnel(port, id, this.#options.streamMs)) break;
      report.failovers++;
      await new Promise((resolve) => setTimeout(resolve, FAILOVER_PAUSE_MS));
    }
    report.answered++;
  }

  async #deliver(id: number, streamMs: number): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const ports = this.#options.ports();
      const port = ports[(id + attempt) % ports.length]!;
      if (await this.#attempt(id, port, streamMs)) return;
      this.#loop.report.failovers++;
      if (attempt === MAX_ATTEMPTS) throw new Error('no sidecar could be reached');
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, FAILOVER_PAUSE_MS));
    }
  }

  /** False = it could not connect. Rejects when the request was lost. */
  #attempt(id: number, port: number, streamMs: number): Promise<boolean> {
    const { postEvery } = this.#options;
    const isPost = streamMs === 0 && postEvery > 0 && id % postEvery === 0;
    const path = streamMs > 0 ? `/stream?id=${id}&ms=${streamMs}` : `/?id=${id}`;
    return new Promise((resolve, reject) => {
      const request = http.request({
        ...{ host: '127.0.0.1', port, path, agent: this.#agent(port) },
        method: isPost ? 'POST' : 'GET',
        headers: { 'x-id': id },
      });
      let isReused = false;
      request.on('socket', () => {
        isReused = request.reusedSocket;
      });
      request.on('response', (response) => this.#onResponse(id, response, resolve, reject));
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED' && !isReused) resolve(false);
        else reject(new Error(`${error.code} ${error.message} (reused: ${isReused})`));
      });
      request.setTimeout(REQUEST_TIMEOUT_MS, () => request.destroy(new Error('no answer')));
      request.end(isPost ? expectedBody(id) : undefined);
    });
  }

  #onResponse(
    id: number,
    response: http.IncomingMessage,
    resolve: (isOver: boolean) => void,
    reject: (error: Error) => void,
  ): void {
    let body = '';
    response.setEncoding('latin1');
    response.on('data', (chunk: string) => {
      body += chunk;
    });
    response.on('error', reject);
    response.on('end', () => {
      const { report } = this.#loop;
      if (response.statusCode !== 200) {
        reject(new Error(`${response.statusCode} ${body}`));
        return;
      }
      if (response.headers['x-id'] !== String(id)) report.crossed++;
      else if (body !== expectedBody(id)) report.truncated++;
      else report.answered++;
      resolve(true);
    });
  }

  #agent(port: number): http.Agent {
    let agent = this.#agents.get(port);
    if (agent === undefined) {
      const maxSockets = this.#options.maxConnections + this.#options.streams;
      agent = new http.Agent({ keepAlive: true, maxSockets, scheduling: 'lifo' });
      this.#agents.set(port, agent);
    }
    return agent;
  }
}

/** A WebSocket's handshake, then an echo every 100 ms. False = it could not connect; rejects when it is cut. */
function echoThroughTunnel(port: number, id: number, durationMs: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    const endMs = performance.now() + durationMs;
    let seen = '';
    let echoes = 0;
    let isOver = false;
    const fail = (text: string): void => {
      if (isOver) return;
      isOver = true;
      socket.destroy();
      reject(new Error(`WebSocket: ${text}`));
    };
    socket.setTimeout(REQUEST_TIMEOUT_MS, () => fail('no answer'));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNREFUSED') fail(error.message);
      else if (!isOver) {
        isOver = true;
        resolve(false);
      }
    });
    socket.on('close', () => fail(`closed after ${echoes} echoes`));
    socket.on('data', (chunk: Buffer) => {
      seen += chunk.toString('latin1');
      const isExpected =
        echoes === 0
          ? seen.startsWith('HTTP/1.1 101 ') && seen.endsWith('\r\n\r\n')
          : seen === `<${id} ${echoes}>`;
      if (!isExpected) {
        // The rest may still come; what never gets right is cut by the idle timeout of the socket.
        if (!seen.startsWith('HTTP/1.1 1') && echoes === 0 && seen.length > 12) fail(seen);
        return;
      }
      seen = '';
      if (performance.now() >= endMs) {
        isOver = true;
        socket.destroy();
        resolve(true);
        return;
      }
      echoes++;
      setTimeout(() => socket.write(`<${id} ${echoes}>`), 100);
    });
    socket.write(
      `GET /?id=${id} HTTP/1.1\r\nhost: soak\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
        'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
  });
}
