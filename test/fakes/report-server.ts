// A management server of one bidirectional stream: tells every client that comes what the test says, and keeps what it
// is told. Of load reports and delegated health checks.

import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';

type Call = ServerDuplexStream<Buffer, Buffer>;

export interface ReportMethod {
  readonly path: string;
  /** Message names, as the server sees them. */
  readonly request: string;
  readonly response: string;
}

/** `Report`: plain form of what clients send, loosely typed: tests compare it. */
export class ReportServer<Report> {
  readonly reports: Report[] = [];
  port = 0;
  streams = 0;
  readonly #method: ReportMethod;
  readonly #server = new Server();
  readonly #calls = new Set<Call>();
  /** Plain form; null = says nothing. */
  #answer: object | null;

  private constructor(method: ReportMethod, answer: object | null) {
    this.#method = method;
    this.#answer = answer;
  }

  /** `answer`: what every stream is told behind its first message. */
  static async start<Report>(
    method: ReportMethod,
    answer: object | null,
    port = 0,
  ): Promise<ReportServer<Report>> {
    const server = new ReportServer<Report>(method, answer);
    await server.#listen(port);
    return server;
  }

  /** Tells all open streams, and those to come. */
  tell(answer: object): void {
    this.#answer = answer;
    for (const call of this.#calls) call.write(this.#encoded(answer));
  }

  /** Ends all open streams with that gRPC status. */
  end(code: number): void {
    for (const call of this.#calls) call.emit('error', { code, details: 'told to end' });
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #encoded(answer: object): Buffer {
    return Buffer.from(encodeMessage<string>(this.#method.response, { ...answer }));
  }

  #onCall(call: Call): void {
    this.streams++;
    this.#calls.add(call);
    let isFirst = true;
    call.on('data', (bytes: Buffer) => {
      const decoded = decodeMessage<string>(this.#method.request, bytes);
      if (!decoded.ok) throw new Error('a message that cannot be decoded');
      this.reports.push(decoded.value.message as Report); // of that type, as the test says
      if (isFirst && this.#answer !== null) call.write(this.#encoded(this.#answer));
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
        Stream: {
          path: this.#method.path,
          requestStream: true,
          responseStream: true,
          requestSerialize: same,
          requestDeserialize: same,
          responseSerialize: same,
          responseDeserialize: same,
        },
      },
      { Stream: (call: Call) => this.#onCall(call) },
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
