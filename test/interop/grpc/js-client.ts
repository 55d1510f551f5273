// The testing service from grpc-js, with promises: each call ends in what it got, its metadata and its status.

import grpc from '@grpc/grpc-js';
import {
  type InputRequest,
  type InputResponse,
  type OutputRequest,
  type OutputResponse,
  type SimpleRequest,
  type SimpleResponse,
  service,
} from './testing-service.ts';

const noLimits = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // A channel of its own per client, not one shared by address.
  'grpc.use_local_subchannel_pool': 1,
};

export interface Outcome<T> {
  readonly messages: readonly T[];
  readonly initial: grpc.Metadata;
  readonly status: grpc.StatusObject;
}

/** Collects a call's events; resolves at its status, whatever that is. */
function outcome<T>(
  call: {
    on(event: 'metadata', listener: (metadata: grpc.Metadata) => void): unknown;
    on(event: 'status', listener: (status: grpc.StatusObject) => void): unknown;
    on(event: 'error', listener: () => void): unknown;
  },
  messages: readonly T[],
): Promise<Outcome<T>> {
  let initial = new grpc.Metadata();
  call.on('metadata', (metadata) => {
    initial = metadata;
  });
  call.on('error', () => {}); // the status says the same
  return new Promise((resolve) => {
    call.on('status', (status) => resolve({ messages, initial, status }));
  });
}

export class JsClient {
  readonly #client: grpc.Client;

  constructor(port: number, credentials = grpc.credentials.createInsecure(), options: object = {}) {
    this.#client = new grpc.Client(`127.0.0.1:${port}`, credentials, { ...noLimits, ...options });
  }

  close(): void {
    this.#client.close();
  }

  /** `call.cancel()` ends it early. */
  startUnary(
    request: SimpleRequest,
    metadata = new grpc.Metadata(),
    options: grpc.CallOptions = {},
  ): { call: grpc.ClientUnaryCall; done: Promise<Outcome<SimpleResponse>> } {
    const { path, requestSerialize, responseDeserialize } = service.UnaryCall;
    const messages: SimpleResponse[] = [];
    const call = this.#client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      options,
      (_error, message) => {
        if (message !== undefined) messages.push(message);
      },
    );
    return { call, done: outcome(call, messages) };
  }

  unary(
    request: SimpleRequest,
    metadata?: grpc.Metadata,
    options?: grpc.CallOptions,
  ): Promise<Outcome<SimpleResponse>> {
    return this.startUnary(request, metadata, options).done;
  }

  /** The bytes that the server counted. Each message is written when the one before has left. */
  async input(
    requests: readonly InputRequest[],
    metadata = new grpc.Metadata(),
  ): Promise<Outcome<InputResponse>> {
    const { path, requestSerialize, responseDeserialize } = service.StreamingInputCall;
    const messages: InputResponse[] = [];
    const call = this.#client.makeClientStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
      (_error: grpc.ServiceError | null, message?: InputResponse) => {
        if (message !== undefined) messages.push(message);
      },
    );
    const done = outcome(call, messages);
    for (const request of requests) {
      await new Promise<void>((resolve) => call.write(request, () => resolve()));
    }
    call.end();
    return done;
  }

  startOutput(request: OutputRequest): grpc.ClientReadableStream<OutputResponse> {
    const { path, requestSerialize, responseDeserialize } = service.StreamingOutputCall;
    return this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
    );
  }

  output(request: OutputRequest): Promise<Outcome<OutputResponse>> {
    const call = this.startOutput(request);
    const messages: OutputResponse[] = [];
    call.on('data', (message: OutputResponse) => messages.push(message));
    return outcome(call, messages);
  }

  startDuplex(
    metadata = new grpc.Metadata(),
  ): grpc.ClientDuplexStream<OutputRequest, OutputResponse> {
    const { path, requestSerialize, responseDeserialize } = service.FullDuplexCall;
    return this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
    );
  }

  /** Sends each request when the answers to the one before have come. */
  pingPong(requests: readonly OutputRequest[]): Promise<Outcome<OutputResponse>> {
    const call = this.startDuplex();
    const messages: OutputResponse[] = [];
    const left = [...requests];
    let awaited = 0;
    const next = () => {
      const request = left.shift();
      if (request === undefined) {
        call.end();
        return;
      }
      awaited = request.response_parameters?.length ?? 0;
      call.write(request);
      if (awaited === 0) next();
    };
    call.on('data', (message: OutputResponse) => {
      messages.push(message);
      if (--awaited === 0) next();
    });
    const done = outcome(call, messages);
    next();
    return done;
  }

  /** A method that no server has. */
  unknownMethod(): Promise<Outcome<object>> {
    const { requestSerialize, responseDeserialize } = service.EmptyCall;
    const call = this.#client.makeUnaryRequest(
      '/grpc.testing.TestService/NoSuchCall',
      requestSerialize,
      responseDeserialize,
      {},
      () => {},
    );
    return outcome(call, []);
  }
}
