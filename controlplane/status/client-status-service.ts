// envoy.service.status.v3.ClientStatusDiscoveryService on a grpc-js server. It shows the configuration of every node,
// so only operators may ask: sidecars' tokens count for nothing here (docs/reliability.md, XD-19).

import {
  status as grpcStatus,
  type Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import type { Peer } from '../ads/authn.ts';
import { peerOf } from '../ads/grpc-peer.ts';
import { clientStatus } from './client-status.ts';
import type { NodeInspector } from './node-inspector.ts';

export interface ClientStatusServiceOptions {
  readonly inspector: NodeInspector;
  /** Whether the peer is an operator; null = yes, else why not. */
  readonly denialOf: (peer: Peer) => string | null;
  readonly logger: Logger;
}

type Stream = ServerDuplexStream<Buffer, Buffer>;
type Unary = ServerUnaryCall<Buffer, Buffer>;

interface Refusal {
  readonly code: number;
  readonly details: string;
}

const REQUEST = 'envoy.service.status.v3.ClientStatusRequest';
const RESPONSE = 'envoy.service.status.v3.ClientStatusResponse';

export class ClientStatusService {
  /** Calls of peers that are no operators. */
  deniedTotal = 0;
  readonly #options: ClientStatusServiceOptions;
  readonly #open = new Set<Stream>();

  constructor(options: ClientStatusServiceOptions) {
    this.#options = options;
  }

  /** Registers StreamClientStatus and FetchClientStatus. */
  addTo(server: Server): void {
    server.addService(definition, {
      StreamClientStatus: (call: Stream) => this.#stream(call),
      FetchClientStatus: (call: Unary, callback: sendUnaryData<Buffer>) => {
        const refusal = this.#refusalOf(call);
        const answer = refusal ?? this.#answer(call.request);
        if (Buffer.isBuffer(answer)) callback(null, answer);
        else callback(answer);
      },
    });
  }

  /** Ends open streams. */
  close(): void {
    const details = 'the control plane is shutting down';
    for (const call of [...this.#open])
      call.emit('error', { code: grpcStatus.UNAVAILABLE, details });
  }

  /** Each request gets one answer: a picture of that moment. */
  #stream(call: Stream): void {
    const gone = (): void => void this.#open.delete(call);
    call.on('error', gone);
    const refusal = this.#refusalOf(call);
    if (refusal !== null) {
      call.emit('error', refusal);
      return;
    }
    this.#open.add(call);
    call.on('cancelled', gone);
    call.on('close', gone);
    call.on('end', () => {
      gone();
      call.end();
    });
    call.on('data', (bytes: Buffer) => {
      const answer = this.#answer(bytes);
      if (!Buffer.isBuffer(answer)) call.emit('error', answer);
      // A reader that does not read is not given more to answer until it does.
      else if (!call.write(answer)) call.pause();
    });
    call.on('drain', () => call.resume());
  }

  #refusalOf(call: Stream | Unary): Refusal | null {
    const peer = peerOf(call);
    const denial = this.#options.denialOf(peer);
    if (denial === null) return null;
    this.deniedTotal++;
    this.#options.logger.warn({ peer: peer.address, denial }, 'CSDS call denied');
    return { code: grpcStatus.PERMISSION_DENIED, details: denial };
  }

  #answer(bytes: Buffer): Buffer | Refusal {
    const decoded = decodeMessage(REQUEST, bytes);
    if (!decoded.ok) {
      const details = `malformed request: ${decoded.errors[0]?.message ?? ''}`;
      return { code: grpcStatus.INVALID_ARGUMENT, details };
    }
    try {
      const status = clientStatus(this.#options.inspector, decoded.value.message);
      if (status.ok) return Buffer.from(encodeMessage(RESPONSE, status.value));
      const { kind, message } = status.errors;
      const code = kind === 'invalid' ? grpcStatus.INVALID_ARGUMENT : grpcStatus.RESOURCE_EXHAUSTED;
      return { code, details: message };
    } catch (thrown) {
      this.#options.logger.error({ error: errorText(thrown) }, 'cannot make a client status');
      return { code: grpcStatus.INTERNAL, details: 'cannot make a client status' };
    }
  }
}

const identity = (bytes: Buffer): Buffer => bytes;

/** Messages stay bytes: a malformed one gets an answer of ours. */
const definition: ServiceDefinition = Object.fromEntries(
  [['StreamClientStatus', true] as const, ['FetchClientStatus', false] as const].map(
    ([method, isStream]) => [
      method,
      {
        path: `/envoy.service.status.v3.ClientStatusDiscoveryService/${method}`,
        requestStream: isStream,
        responseStream: isStream,
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity,
        responseDeserialize: identity,
      },
    ],
  ),
);
