// testing.proto for grpc-js: the methods with their coders, and the messages as plain objects.

import { fileURLToPath } from 'node:url';
import type { MethodDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export const protoFile = fileURLToPath(new URL('testing.proto', import.meta.url));

export interface Payload {
  readonly body: Buffer;
}
export interface EchoStatus {
  readonly code: number;
  readonly message: string;
}
export interface SimpleRequest {
  readonly response_size?: number;
  readonly payload?: Payload;
  readonly response_status?: EchoStatus | null;
  readonly fill_server_id?: boolean;
}
export interface SimpleResponse {
  readonly payload: Payload | null;
  readonly server_id?: string;
}
export interface OutputRequest {
  readonly response_parameters?: readonly { readonly size: number }[];
  readonly payload?: Payload;
  readonly response_status?: EchoStatus | null;
}
export interface OutputResponse {
  readonly payload: Payload | null;
}
export interface InputRequest {
  readonly payload: Payload | null;
}
export interface InputResponse {
  readonly aggregated_payload_size: number;
}

interface TestService {
  readonly EmptyCall: MethodDefinition<object, object>;
  readonly UnaryCall: MethodDefinition<SimpleRequest, SimpleResponse>;
  readonly StreamingOutputCall: MethodDefinition<OutputRequest, OutputResponse>;
  readonly StreamingInputCall: MethodDefinition<InputRequest, InputResponse>;
  readonly FullDuplexCall: MethodDefinition<OutputRequest, OutputResponse>;
}

const definitions = loadSync(protoFile, { keepCase: true, defaults: true });

// The file declares these methods and messages.
export const service = definitions['grpc.testing.TestService'] as unknown as TestService;

export const payload = (bytes: number): Payload => ({ body: Buffer.alloc(bytes, 'p') });
