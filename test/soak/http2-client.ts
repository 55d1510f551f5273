// The clients of the HTTP/2 soaks: node:http2 with a connection per sidecar and grpc-js with a channel over all, half
// of the unary calls each, and streams that are open all the time. A call goes out again only when nobody can have
// seen it: no connection, or a stream that was refused (RST_STREAM REFUSED_STREAM, or above the last of a GOAWAY).

import http2 from 'node:http2';
import grpc from '@grpc/grpc-js';
import { echoBody } from './http2-application.ts';
import { expectedBody } from './identified-upstream.ts';
import { type ClientReport, OpenLoop } from './open-loop.ts';

export interface Http2ClientReport extends ClientReport {
  /** Streams that were refused and sent again. */
  refused: number;
  /** Of grpc-js, which sends again by itself. */
  grpcCalls: number;
  /** GOAWAYs that the node:http2 sessions got. */
  goaways: number;
}

export interface Http2ClientOptions {
  readonly ports: readonly number[];
  readonly ratePerSecond: number;
  readonly durationMs: number;
  /** Of each kind (response streams of node:http2 and of gRPC, bidirectional ones), open all the time. */
  readonly streams: number;
  readonly streamMs: number;
}

const CALL_TIMEOUT_MS = 20_000;
const MAX_ATTEMPTS = 100;
const FAILOVER_PAUSE_MS = 20;
const CHAT_PIECE_MS = 100;

const raw = (message: Buffer): Buffer => message;

/** Of one request to one sidecar: over, refused, or it could not connect. */
type Outcome = 'over' | 'refused' | 'unconnected';

/** Runs once, by run(). */
export class Http2SoakClient {
  readonly #options: Http2ClientOptions;
  readonly #loop = new OpenLoop();
  readonly #sessions = new Map<number, http2.ClientHttp2Session>();
  readonly #channel: grpc.Client;
  #refused = 0;
  #grpcCalls = 0;
  #goaways = 0;

  constructor(options: Http2ClientOptions) {
    this.#options = options;
    const addresses = options.ports.map((port) => `127.0.0.1:${port}`);
    this.#channel = new grpc.Client(`ipv4:${addresses.join()}`, grpc.credentials.createInsecure(), {
      'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 500,
    });
  }

  /** Ids 1..lastId were sent. */
  get lastId(): number {
    return this.#loop.lastId;
  }

  /** Resolves when the last request is over. */
  async run(): Promise<Http2ClientReport> {
    const { ratePerSecond, durationMs, streams, streamMs } = this.#options;
    const all = (exchange: (id: number) => Promise<void>) =>
      Array.from({ length: streams }, () => exchange);
    const report = await this.#loop.run({
      ...{ ratePerSecond, durationMs },
      request: (id) => (id % 2 === 0 ? this.#deliver(id, '/soak/Echo', 0) : this.#unary(id)),
      kept: [
        ...all((id) => this.#deliver(id, '/soak/Watch', streamMs)),
        ...all((id) => this.#watch(id, streamMs)),
        ...all((id) => this.#chat(id, streamMs)),
      ],
    });
    for (const session of this.#sessions.values()) session.close();
    this.#channel.close();
    const counted = { refused: this.#refused, grpcCalls: this.#grpcCalls, goaways: this.#goaways };
    return { ...report, ...counted };
  }

  async #deliver(id: number, path: string, streamMs: number): Promise<void> {
    const { ports } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#attempt(
        id,
        ports[(id + attempt) % ports.length]!,
        path,
        streamMs,
      );
      if (outcome === 'over') return;
      if (outcome === 'refused') this.#refused++;
      else this.#loop.report.failovers++;
      if (attempt === MAX_ATTEMPTS) throw new Error('no sidecar could be reached');
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, FAILOVER_PAUSE_MS));
    }
  }

  /** Rejects when the request was lost. */
  #attempt(id: number, port: number, path: string, streamMs: number): Promise<Outcome> {
    const session = this.#session(port);
    return new Promise((resolve, reject) => {
      let stream: http2.ClientHttp2Stream;
      try {
        stream = session.request({
          ...{ ':method': 'POST', ':path': path },
          ...{ 'x-id': String(id), 'x-ms': String(streamMs) },
        });
      } catch {
        // It got GOAWAY in this very turn.
        resolve('refused');
        return;
      }
      let headers: http2.IncomingHttpHeaders = {};
      const pieces: Buffer[] = [];
      let failure: Error | null = null;
      // Until then nothing has been written.
      let isReady = !stream.pending;
      stream.on('ready', () => {
        isReady = true;
      });
      stream.setTimeout(CALL_TIMEOUT_MS, () => stream.close(http2.constants.NGHTTP2_CANCEL));
      stream.on('response', (received) => {
        headers = received;
      });
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      stream.on('error', (error) => {
        failure = error;
      });
      stream.on('close', () => {
        if (stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM) resolve('refused');
        else if (!isReady) resolve('unconnected');
        else if (failure !== null || stream.rstCode !== 0) {
          reject(new Error(`${path} ${stream.rstCode} ${failure} ${headers[':status']}`));
        } else if (Number(headers[':status']) !== 200) {
          reject(new Error(`${path} ${headers[':status']} ${Buffer.concat(pieces)}`));
        } else {
          this.#judge(id, String(headers['x-id']), Buffer.concat(pieces), echoBody(id, false));
          resolve('over');
        }
      });
      stream.end(streamMs > 0 ? undefined : echoBody(id, false));
    });
  }

  #session(port: number): http2.ClientHttp2Session {
    const known = this.#sessions.get(port);
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const session = http2.connect(`http://127.0.0.1:${port}`);
    session.on('error', () => {});
    session.on('goaway', () => {
      this.#goaways++;
    });
    this.#sessions.set(port, session);
    return session;
  }

  #judge(id: number, echoed: string, body: Buffer, wanted: Buffer): void {
    const { report } = this.#loop;
    if (echoed !== String(id)) report.crossed++;
    else if (!body.equals(wanted)) report.truncated++;
    else report.answered++;
  }

  // -- gRPC ---------------------------------------------------------------------------------------

  #metadata(id: number, streamMs: number): grpc.Metadata {
    this.#grpcCalls++;
    const metadata = new grpc.Metadata();
    metadata.set('x-id', String(id));
    metadata.set('x-ms', String(streamMs));
    return metadata;
  }

  #deadline(): grpc.CallOptions {
    return { deadline: Date.now() + CALL_TIMEOUT_MS };
  }

  #unary(id: number): Promise<void> {
    const message = Buffer.from(expectedBody(id), 'latin1');
    return new Promise((resolve, reject) => {
      let echoed = '';
      const call = this.#channel.makeUnaryRequest(
        ...(['/soak/Echo', raw, raw, message, this.#metadata(id, 0), this.#deadline()] as const),
        (error, answer) => {
          if (error !== null) {
            reject(new Error(`unary ${error.code} ${error.details}`));
            return;
          }
          this.#judge(id, echoed, answer ?? Buffer.alloc(0), message);
          resolve();
        },
      );
      call.on('metadata', (received) => {
        echoed = String(received.get('x-id')[0]);
      });
    });
  }

  #watch(id: number, streamMs: number): Promise<void> {
    const wanted = Buffer.from(expectedBody(id), 'latin1');
    const call = this.#channel.makeServerStreamRequest(
      ...(['/soak/Watch', raw, raw, Buffer.alloc(0)] as const),
      ...([this.#metadata(id, streamMs), this.#deadline()] as const),
    );
    return this.#collect(id, 'watch', call, wanted);
  }

  #chat(id: number, streamMs: number): Promise<void> {
    const call = this.#channel.makeBidiStreamRequest(
      ...(['/soak/Chat', raw, raw] as const),
      ...([this.#metadata(id, streamMs), this.#deadline()] as const),
    );
    const sent: Buffer[] = [];
    let left = Math.round(streamMs / CHAT_PIECE_MS);
    const timer = setInterval(() => {
      const message = Buffer.from(`<${id} ${left}>`);
      sent.push(message);
      call.write(message);
      if (--left > 0) return;
      clearInterval(timer);
      call.end();
    }, CHAT_PIECE_MS);
    return this.#collect(id, 'chat', call, sent).finally(() => clearInterval(timer));
  }

  /** `wanted` is looked at when the call is over. */
  #collect(
    id: number,
    name: string,
    call: grpc.ClientReadableStream<Buffer> | grpc.ClientDuplexStream<Buffer, Buffer>,
    wanted: Buffer | readonly Buffer[],
  ): Promise<void> {
    const pieces: Buffer[] = [];
    let echoed = '';
    call.on('metadata', (received) => {
      echoed = String(received.get('x-id')[0]);
    });
    call.on('data', (piece: Buffer) => pieces.push(piece));
    call.on('error', () => {}); // the status says the same
    return new Promise((resolve, reject) => {
      call.on('status', ({ code, details }) => {
        if (code !== grpc.status.OK) {
          reject(new Error(`${name} ${code} ${details} after ${pieces.length} messages`));
          return;
        }
        const expected = Buffer.isBuffer(wanted) ? wanted : Buffer.concat(wanted);
        this.#judge(id, echoed, Buffer.concat(pieces), expected);
        resolve();
      });
    });
  }
}
