// A load reporting server: asks every client that comes for what the test says, and keeps what it is told.

import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';

export const LOAD_STATS_PATH = '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats';
const REQUEST = 'envoy.service.load_stats.v3.LoadStatsRequest';
const RESPONSE = 'envoy.service.load_stats.v3.LoadStatsResponse';

/** Plain form of LoadStatsRequest, loosely typed: tests compare it. */
export interface LoadStatsReport {
  readonly node?: Readonly<Record<string, unknown>>;
  readonly cluster_stats?: readonly ClusterLoad[];
}

export interface ClusterLoad {
  readonly cluster_name?: string;
  readonly cluster_service_name?: string;
  readonly upstream_locality_stats?: readonly Readonly<Record<string, unknown>>[];
  readonly total_dropped_requests?: number;
  readonly dropped_requests?: readonly Readonly<Record<string, unknown>>[];
  readonly load_report_interval?: unknown;
}

type Call = ServerDuplexStream<Buffer, Buffer>;

export class LoadStatsServer {
  readonly reports: LoadStatsReport[] = [];
  port = 0;
  streams = 0;
  readonly #server = new Server();
  readonly #calls = new Set<Call>();
  /** LoadStatsResponse in plain form; null = says nothing. */
  #answer: object | null;

  private constructor(answer: object | null) {
    this.#answer = answer;
  }

  /** `answer`: what every stream is told behind its first report. */
  static async start(answer: object | null, port = 0): Promise<LoadStatsServer> {
    const server = new LoadStatsServer(answer);
    await server.#listen(port);
    return server;
  }

  /** Tells all open streams, and those to come. */
  tell(answer: object): void {
    this.#answer = answer;
    for (const call of this.#calls) call.write(Buffer.from(encodeMessage(RESPONSE, answer)));
  }

  /** Ends all open streams with that gRPC status. */
  end(code: number): void {
    for (const call of this.#calls) {
      call.emit('error', { code, details: 'told to end' });
    }
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  /** What was said of a cluster since `from`, report by report. */
  of(cluster: string, from = 0): ClusterLoad[] {
    return this.reports
      .slice(from)
      .flatMap(({ cluster_stats }) => cluster_stats ?? [])
      .filter(({ cluster_name }) => cluster_name === cluster);
  }

  #onCall(call: Call): void {
    this.streams++;
    this.#calls.add(call);
    let isFirst = true;
    call.on('data', (bytes: Buffer) => {
      const decoded = decodeMessage<string>(REQUEST, bytes);
      if (!decoded.ok) throw new Error('a report that cannot be decoded');
      this.reports.push(decoded.value.message as LoadStatsReport);
      if (isFirst && this.#answer !== null) call.write(Buffer.from(encodeMessage(RESPONSE, this.#answer)));
      isFirst = false;
    });
    const gone = () => this.#calls.delete(call);
    call.on('cancelled', gone);
    call.on('error', gone);
    call.on('end', () => {
      gone();
      call.end();
    });
  }

  #listen(port: number): Promise<void> {
    const same = (bytes: Buffer): Buffer => bytes;
    this.#server.addService(
      {
        StreamLoadStats: {
          path: LOAD_STATS_PATH,
          requestStream: true,
          responseStream: true,
          requestSerialize: same,
          requestDeserialize: same,
          responseSerialize: same,
          responseDeserialize: same,
        },
      },
      { StreamLoadStats: (call: Call) => this.#onCall(call) },
    );
    const credentials = ServerCredentials.createInsecure();
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => {
        if (error !== null) {
          reject(error);
          return;
        }
        this.port = bound;
        resolve();
      });
    });
  }
}
