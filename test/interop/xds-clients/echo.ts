// The gRPC service that the proxyless clients call: messages are bytes as they are, and the answer is the name of who
// gave it.

import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';

export const WHO = '/test.Echo/Who';
export const SECRET = '/test.Echo/Secret';

export const identity = (bytes: Buffer): Buffer => bytes;

function unary(path: string) {
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  } as const;
}

const service: ServiceDefinition = { Who: unary(WHO), Secret: unary(SECRET) };

/** May answer a call with UNAVAILABLE instead. */
export type Failing = (metadata: Metadata) => boolean;

export interface Backend {
  readonly name: string;
  readonly port: number;
  /** Tries that arrived, failed ones included. */
  readonly tries: () => number;
  close(): void;
}

export async function startBackend(name: string, failing: Failing = () => false): Promise<Backend> {
  let tries = 0;
  const answer = (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => {
    tries++;
    if (failing(call.metadata)) {
      const error: Partial<ServiceError> = { code: status.UNAVAILABLE, details: `${name} fails` };
      done(error, null);
    } else done(null, Buffer.from(name));
  };
  const server = new Server();
  server.addService(service, { Who: answer, Secret: answer });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { name, port, tries: () => tries, close: () => server.forceShutdown() };
}

/** Fails the first try of every call: a retry says how many there were before it (gRFC A6). */
export const failsFirst: Failing = (metadata) =>
  metadata.get('grpc-previous-rpc-attempts').length === 0;
