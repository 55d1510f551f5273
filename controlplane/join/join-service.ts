// The handlers of remora.join.v1.Join: sidecars register, stay and leave. Served beside xDS on the TLS port.

import {
  type ServerUnaryCall,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Clock } from '../../common/clock.ts';
import { err, ok, type Result } from '../../common/result.ts';
import type { NodeRequest, RegisterRequest, RegisterResponse } from '../../proto/join.ts';
import { DEFAULT_NAMESPACE } from '../model/object.ts';
import type { Admission } from './admission.ts';
import { callerOf, mayBe } from './authn.ts';
import type { Denial } from './denial.ts';
import type { Registry } from './registry.ts';
import type { TokenIssuer } from './tokens.ts';

export interface JoinServiceOptions {
  readonly tokens: TokenIssuer;
  readonly admission: Admission;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly trustDomain: () => string;
}

/** Keepalives per grace time: two may get lost. */
const KEEPALIVES_PER_GRACE = 3;
const LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

export function joinHandlers(options: JoinServiceOptions): UntypedServiceImplementation {
  return {
    Register: unary((call) => register(call, options)),
    Keepalive: unary((call) =>
      onOwnNode(call, options, (nodeId) =>
        options.registry.keepalive(nodeId)
          ? ok({})
          : err({ code: status.NOT_FOUND, details: `node ${nodeId} is not registered` }),
      ),
    ),
    Deregister: unary((call) =>
      onOwnNode(call, options, (nodeId) => {
        options.registry.deregister(nodeId);
        return ok({});
      }),
    ),
  };
}

type Call = ServerUnaryCall<unknown, object>;

function unary(handle: (call: Call) => Result<object, Denial>) {
  return (call: Call, callback: sendUnaryData<object>): void => {
    const result = handle(call);
    if (result.ok) callback(null, result.value);
    else callback(result.errors);
  };
}

function register(call: Call, options: JoinServiceOptions): Result<RegisterResponse, Denial> {
  const { tokens, admission, registry, clock, trustDomain } = options;
  const caller = callerOf(call.metadata.get('authorization')[0], tokens, clock);
  if (!caller.ok) return caller;
  // proto-loader made it with `defaults`: every field is there.
  const request = call.request as RegisterRequest;
  const { service, namespace } = caller.value;
  const claimed = request.namespace === '' ? DEFAULT_NAMESPACE : request.namespace;
  if (request.service !== service || claimed !== namespace) {
    return err({
      code: status.PERMISSION_DENIED,
      details: `the token is for ${service}.${namespace}, not for ${request.service}.${claimed}`,
    });
  }
  if (!LABEL.test(request.instance_id)) {
    return err({ code: status.INVALID_ARGUMENT, details: 'instance_id must be a DNS label' });
  }
  const { labels } = request;
  const admitted = admission.admit(namespace, `${service}.${request.instance_id}`, labels, {
    service,
    ...(request.version === '' ? {} : { version: request.version }),
    address: request.address === '' ? peerAddress(call.getPeer()) : request.address,
    inboundPort: request.inbound_port,
    ...(request.outbound_port === 0 ? {} : { outboundPort: request.outbound_port }),
    appPort: request.app_port,
  });
  if (!admitted.ok) return admitted;
  return ok({
    node_id: admitted.value,
    trust_domain: trustDomain(),
    lease_keepalive_ms: Math.floor(registry.graceMs / KEEPALIVES_PER_GRACE),
    lease_grace_ms: registry.graceMs,
  });
}

function onOwnNode(
  call: Call,
  options: JoinServiceOptions,
  act: (nodeId: string) => Result<object, Denial>,
): Result<object, Denial> {
  const caller = callerOf(call.metadata.get('authorization')[0], options.tokens, options.clock);
  if (!caller.ok) return caller;
  // proto-loader made it with `defaults`.
  const { node_id: nodeId } = call.request as NodeRequest;
  const workload = options.registry.workload(nodeId);
  if (workload !== null && !mayBe(caller.value, workload)) {
    return err({ code: status.PERMISSION_DENIED, details: `node ${nodeId} is of another service` });
  }
  return act(nodeId);
}

/** `127.0.0.1:4711`, `[::1]:4711` -> the address. */
function peerAddress(peer: string): string {
  const address = peer.slice(0, peer.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  // An IPv4 peer of a dual-stack socket.
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}
