// envoy.service.load_stats.v3.LoadReportingService on a grpc-js server: streams in, no more than allowed.

import {
  status as grpcStatus,
  type Server,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { peerOf } from '../ads/grpc-peer.ts';
import { LoadStream, type LoadStreamContext } from './load-stream.ts';

export interface LoadServiceOptions extends LoadStreamContext {
  /** Open at once. Default 20 000. */
  readonly maxStreams?: number;
}

type Call = ServerDuplexStream<Buffer, Buffer>;

export class LoadService {
  readonly #options: LoadServiceOptions;
  readonly #streams = new Set<LoadStream>();

  constructor(options: LoadServiceOptions) {
    this.#options = options;
  }

  /** Registers StreamLoadStats. */
  addTo(server: Server): void {
    server.addService(definition, { StreamLoadStats: (call: Call) => this.#open(call) });
  }

  /** Ends every stream with UNAVAILABLE, so that clients come back elsewhere. */
  close(): void {
    for (const stream of [...this.#streams]) {
      stream.end(grpcStatus.UNAVAILABLE, 'the control plane is shutting down');
    }
  }

  #open(call: Call): void {
    const { maxStreams = 20_000, stats } = this.#options;
    call.on('error', () => {}); // 'close' follows
    if (this.#streams.size >= maxStreams) {
      stats.overloadedTotal++;
      call.emit('error', { code: grpcStatus.UNAVAILABLE, details: 'too many load reporters' });
      return;
    }
    const port = {
      write: (message: Buffer) => void call.write(message),
      end: (code: number, details: string) => void call.emit('error', { code, details }),
    };
    const stream = new LoadStream(port, peerOf(call), this.#options);
    this.#streams.add(stream);
    const gone = (): void => {
      stream.onEnd();
      this.#streams.delete(stream);
    };
    call.on('data', (message: Buffer) => stream.onMessage(message));
    call.on('end', () => {
      gone();
      call.end();
    });
    call.on('cancelled', gone);
    call.on('error', gone);
    call.on('close', gone);
  }
}

const identity = (bytes: Buffer): Buffer => bytes;

/** Messages stay bytes: a malformed one is the stream's to answer, not gRPC's. */
const definition: ServiceDefinition = {
  StreamLoadStats: {
    path: '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats',
    requestStream: true,
    responseStream: true,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  },
};
