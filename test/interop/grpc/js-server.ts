// The testing service on grpc-js: says back what it is asked to, holds calls until it is told, and counts those that
// were given up.

import grpc from '@grpc/grpc-js';
import {
  type EchoStatus,
  type InputRequest,
  type InputResponse,
  type OutputRequest,
  type OutputResponse,
  payload,
  type SimpleRequest,
  type SimpleResponse,
  service,
} from './testing-service.ts';

/** Metadata of a call that it sends back: at once, and with the status. */
export const ECHO_INITIAL = 'x-grpc-test-echo-initial';
export const ECHO_TRAILING = 'x-grpc-test-echo-trailing-bin';
/** A unary call with it is answered at `release`, a stream of requests read on from there. */
export const HOLD = 'x-test-hold';

export interface JsServer {
  readonly port: number;
  /** Calls that wait for `release`. */
  held(): number;
  release(): void;
  /** Calls whose client gave up. */
  cancelled(): number;
  /** Breaks all connections. */
  stop(): void;
}

function trailersOf(metadata: grpc.Metadata): grpc.Metadata {
  const trailers = new grpc.Metadata();
  for (const value of metadata.get(ECHO_TRAILING)) trailers.add(ECHO_TRAILING, value);
  return trailers;
}

function sendInitial(call: {
  readonly metadata: grpc.Metadata;
  sendMetadata(metadata: grpc.Metadata): void;
}): void {
  const values = call.metadata.get(ECHO_INITIAL);
  if (values.length === 0) return;
  const initial = new grpc.Metadata();
  for (const value of values) initial.add(ECHO_INITIAL, value);
  call.sendMetadata(initial);
}

function failure(status: EchoStatus, metadata: grpc.Metadata): grpc.ServerErrorResponse {
  const { code, message } = status;
  return Object.assign(new Error(message), { code, details: message, metadata });
}

const statusOf = (status: EchoStatus | null | undefined) =>
  status === null || status === undefined || status.code === 0 ? null : status;

/** `credentials`: null = cleartext. */
export async function startJsServer(
  credentials: grpc.ServerCredentials | null = null,
): Promise<JsServer> {
  const waiting: (() => void)[] = [];
  let held = 0;
  let cancelled = 0;

  const unary = (
    call: grpc.ServerUnaryCall<SimpleRequest, SimpleResponse>,
    callback: grpc.sendUnaryData<SimpleResponse>,
  ) => {
    call.on('cancelled', () => cancelled++);
    const answer = () => {
      const trailers = trailersOf(call.metadata);
      const status = statusOf(call.request.response_status);
      if (status !== null) {
        callback(failure(status, trailers));
        return;
      }
      sendInitial(call);
      const { response_size = 0, fill_server_id = false } = call.request;
      const id = fill_server_id ? { server_id: 'grpc-js' } : {};
      callback(null, { payload: payload(response_size), ...id }, trailers);
    };
    if (call.metadata.get(HOLD).length === 0) {
      answer();
      return;
    }
    held++;
    waiting.push(answer);
  };

  /** Writes the answers to one request, each when the one before has left; then `done`. */
  const writeAll = (
    call: { write(message: OutputResponse, done: () => void): unknown },
    request: OutputRequest,
    done: () => void,
  ) => {
    const sizes = (request.response_parameters ?? []).map(({ size }) => size);
    const next = () => {
      const size = sizes.shift();
      if (size === undefined) done();
      else call.write({ payload: payload(size) }, next);
    };
    next();
  };

  const output = (call: grpc.ServerWritableStream<OutputRequest, OutputResponse>) => {
    call.on('cancelled', () => cancelled++);
    sendInitial(call);
    writeAll(call, call.request, () => {
      const trailers = trailersOf(call.metadata);
      const status = statusOf(call.request.response_status);
      if (status === null) call.end(trailers);
      else call.emit('error', failure(status, trailers));
    });
  };

  const input = (
    call: grpc.ServerReadableStream<InputRequest, InputResponse>,
    callback: grpc.sendUnaryData<InputResponse>,
  ) => {
    let bytes = 0;
    call.on('cancelled', () => cancelled++);
    call.on('data', ({ payload }: InputRequest) => {
      bytes += payload?.body.length ?? 0;
    });
    call.on('end', () => callback(null, { aggregated_payload_size: bytes }));
    if (call.metadata.get(HOLD).length > 0) {
      held++;
      call.pause();
      waiting.push(() => call.resume());
    }
  };

  const duplex = (call: grpc.ServerDuplexStream<OutputRequest, OutputResponse>) => {
    call.on('cancelled', () => cancelled++);
    sendInitial(call);
    call.on('data', (request: OutputRequest) => {
      call.pause();
      writeAll(call, request, () => {
        const status = statusOf(request.response_status);
        if (status !== null) call.emit('error', failure(status, trailersOf(call.metadata)));
        else call.resume();
      });
    });
    call.on('end', () => call.end(trailersOf(call.metadata)));
  };

  const server = new grpc.Server({
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
  });
  server.addService(
    { ...service },
    {
      EmptyCall: (_call: unknown, callback: grpc.sendUnaryData<object>) => callback(null, {}),
      UnaryCall: unary,
      StreamingOutputCall: output,
      StreamingInputCall: input,
      FullDuplexCall: duplex,
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    const chosen = credentials ?? grpc.ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', chosen, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    held: () => held,
    release: () => {
      held = 0;
      for (const answer of waiting.splice(0)) answer();
    },
    cancelled: () => cancelled,
    stop: () => server.forceShutdown(),
  };
}
