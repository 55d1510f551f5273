// envoy.service.status.v3.ClientStatusDiscoveryService on the admin port, for grpcdebug and the like. Loaded with the first
// connection that speaks HTTP/2: gRPC is large.

import type { Socket } from 'node:net';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { CodedError, errorText } from '../../../common/coded-error.ts';
import { formatFieldError } from '../../../common/result.ts';
import { decodeMessage, encodeMessage } from '../../../proto/any.ts';
import { messageFromJson } from '../../../proto/json.ts';
import type { JsonValue } from '../../../proto/plain.ts';
import type { AdminSources } from '../admin/sources.ts';

const SERVICE = '/envoy.service.status.v3.ClientStatusDiscoveryService';
const REQUEST = 'envoy.service.status.v3.ClientStatusRequest';
const RESPONSE = 'envoy.service.status.v3.ClientStatusResponse';
/** Matchers, nothing more. */
const MAX_REQUEST_BYTES = 64 * 1024;

export interface CsdsService extends Disposable {
  /** A connection whose preface is still to be read; owned from then on. */
  take(socket: Socket): void;
}

export function createCsdsService(sources: Pick<AdminSources, 'clientStatus'>): CsdsService {
  const server = new Server({ 'grpc.max_receive_message_length': MAX_REQUEST_BYTES });
  const answer = (bytes: Buffer): Buffer => responseTo(bytes, sources);
  server.addService(
    {
      StreamClientStatus: method('StreamClientStatus', true),
      FetchClientStatus: method('FetchClientStatus', false),
    },
    {
      FetchClientStatus: (
        call: ServerUnaryCall<Buffer, Buffer>,
        callback: sendUnaryData<Buffer>,
      ) => {
        try {
          callback(null, answer(call.request));
        } catch (thrown) {
          callback(refusal(thrown));
        }
      },
      StreamClientStatus: (call: ServerDuplexStream<Buffer, Buffer>) => {
        call.on('data', (bytes: Buffer) => {
          try {
            // Who does not read gets no more than is on its way.
            if (!call.write(answer(bytes))) {
              call.pause();
              call.once('drain', () => call.resume());
            }
          } catch (thrown) {
            call.emit('error', refusal(thrown));
          }
        });
        call.on('end', () => call.end());
        call.on('error', () => {
          // The client is gone, or was told.
        });
      },
    },
  );
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return {
    take: (socket) => injector.injectConnection(socket),
    [Symbol.dispose]: () => {
      injector.destroy();
      server.forceShutdown();
    },
  };
}

/** Throws a CodedError when the request makes no sense. */
function responseTo(bytes: Buffer, sources: Pick<AdminSources, 'clientStatus'>): Buffer {
  const request = decodeMessage(REQUEST, bytes);
  if (!request.ok) {
    throw new CodedError('bad-request', request.errors.map(formatFieldError).join(', '));
  }
  const json = sources.clientStatus(request.value.message);
  // What is redacted is so in JSON; it was made of a message of that type.
  const response = messageFromJson(RESPONSE, json as JsonValue, { unknownFields: 'error' });
  if (!response.ok) throw new Error(response.errors.map(formatFieldError).join(', '));
  return Buffer.from(encodeMessage(RESPONSE, response.value.message));
}

function refusal(thrown: unknown): { readonly code: number; readonly details: string } {
  const isTheirs = thrown instanceof CodedError;
  return {
    code: isTheirs ? status.INVALID_ARGUMENT : status.INTERNAL,
    details: errorText(thrown),
  };
}

function method(name: string, isStream: boolean) {
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    path: `${SERVICE}/${name}`,
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}
