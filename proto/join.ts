// Our own join service (remora/join/v1/join.proto), loaded by proto-loader: its definition for the
// control plane's server and the messages for both planes. Main threads only.

import { fileURLToPath } from 'node:url';
import type { ServiceDefinition, UntypedHandleCall } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export interface RegisterRequest {
  /** A DNS label. */
  readonly instance_id: string;
  readonly service: string;
  readonly namespace: string;
  /** '' when the service has no versions. */
  readonly version: string;
  /** '' = where the call comes from. */
  readonly address: string;
  readonly inbound_port: number;
  readonly outbound_port: number;
  readonly app_port: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface RegisterResponse {
  readonly node_id: string;
  readonly trust_domain: string;
  readonly lease_keepalive_ms: number;
  readonly lease_grace_ms: number;
}

/** KeepaliveRequest and DeregisterRequest. */
export interface NodeRequest {
  readonly node_id: string;
}

export const JOIN_SERVICE = 'remora.join.v1.Join';

/**
 * Path of the control plane's SPIFFE id. A sidecar checks it besides the root, because every workload has
 * a certificate of the same root.
 */
export const CONTROL_PLANE_ID_PATH = '/ns/remora-system/sa/controlplane';

let definition: ServiceDefinition<Record<string, UntypedHandleCall>> | null = null;

/** The service for grpc-js: Server.addService, and the method definitions for a client. */
export function joinService(): ServiceDefinition<Record<string, UntypedHandleCall>> {
  if (definition === null) {
    const file = fileURLToPath(new URL('remora/join/v1/join.proto', import.meta.url));
    const loaded = loadSync(file, { keepCase: true, defaults: true })[JOIN_SERVICE];
    // A package definition's entry by a service's name is a service definition.
    definition = loaded as unknown as ServiceDefinition<Record<string, UntypedHandleCall>>;
  }
  return definition;
}
