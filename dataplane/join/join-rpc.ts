// The three unary calls of remora.join.v1.Join, guarded by a circuit breaker (opossum): a control plane
// that hangs must not pile up calls of a sidecar that has traffic to serve.

import {
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type Metadata,
} from '@grpc/grpc-js';
import CircuitBreaker from 'opossum';
import type { Clock } from '../../common/clock.ts';
import {
  joinService,
  type NodeRequest,
  type RegisterRequest,
  type RegisterResponse,
} from '../../proto/join.ts';
import { isAnswer } from './outcome.ts';

const DEADLINE_MS = 5000;
const RESET_MS = 5000;

/**
 * Channel options of every connection to a control plane. The name goes into SNI only (an IP address must
 * not, RFC 6066); who the peer is, its SPIFFE id says.
 */
export const channelOptions: ChannelOptions = {
  'grpc.ssl_target_name_override': 'controlplane.remora-system.svc.cluster.local',
};

export interface JoinRpc {
  register(request: RegisterRequest): Promise<RegisterResponse>;
  keepalive(request: NodeRequest): Promise<void>;
  deregister(request: NodeRequest, deadlineMs: number): Promise<void>;
  close(): void;
}

export function createJoinRpc(
  target: string,
  credentials: ChannelCredentials,
  metadata: () => Metadata,
  clock: Clock,
): JoinRpc {
  const client = new Client(target, credentials, channelOptions);
  const definition = joinService();
  const call = (method: string, request: object, deadlineMs: number): Promise<object> => {
    const rpc = definition[method];
    if (rpc === undefined) throw new Error(`join.proto has no ${method}`);
    const options: CallOptions = { deadline: clock.wallMs() + deadlineMs };
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest<object, object>(
        rpc.path,
        rpc.requestSerialize,
        rpc.responseDeserialize,
        request,
        metadata(),
        options,
        (error, response) => {
          if (error !== null) reject(error);
          else resolve(response ?? {});
        },
      );
    });
  };
  const breaker = new CircuitBreaker(call, {
    timeout: DEADLINE_MS,
    resetTimeout: RESET_MS,
    volumeThreshold: 5,
    // A refusal is an answer: only silence opens the breaker.
    errorFilter: (error: unknown) => isAnswer(error),
  });
  return {
    // proto-loader made it with `defaults`.
    register: async (request) =>
      (await breaker.fire('Register', request, DEADLINE_MS)) as RegisterResponse,
    keepalive: async (request) => {
      await breaker.fire('Keepalive', request, DEADLINE_MS);
    },
    // Past the breaker: it is the last call, once, and has its own short deadline.
    deregister: async (request, deadlineMs) => {
      await call('Deregister', request, deadlineMs);
    },
    close: () => {
      breaker.shutdown();
      client.close();
    },
  };
}
