// Who is calling: the token in the call's metadata, and whether the node it says it is belongs to the
// token's service. Used by the join service and, as the gate of every xDS stream, by ads/ (injected).
// The plaintext xDS port has no token: there the node is taken at its word, which is why main opens that
// port on loopback only.

import { status } from '@grpc/grpc-js';
import type { Clock } from '../../common/clock.ts';
import { err, ok, type Result } from '../../common/result.ts';
import type { Workload } from '../model/kinds/workload.ts';
import { namespaceOf } from '../model/object.ts';
import { type Admission, splitNodeId } from './admission.ts';
import type { Denial } from './denial.ts';
import type { TokenClaims, TokenIssuer } from './tokens.ts';

/** The claims of the bearer token in a call's `authorization` metadata. */
export function callerOf(
  authorization: unknown,
  tokens: TokenIssuer,
  clock: Clock,
): Result<TokenClaims, Denial> {
  if (typeof authorization !== 'string') {
    return err({
      code: status.UNAUTHENTICATED,
      details: 'no token: send metadata `authorization: Bearer <token>` (remora ctl token)',
    });
  }
  const token = /^bearer +(\S+)$/i.exec(authorization)?.[1] ?? '';
  const verified = tokens.verify(token, clock.wallMs());
  return verified.ok ? verified : err({ code: status.UNAUTHENTICATED, details: verified.errors });
}

/** True when the token's service is the workload's. */
export function mayBe(claims: TokenClaims, workload: Workload): boolean {
  return claims.service === workload.spec.service && claims.namespace === namespaceOf(workload);
}

/** What a stream says of itself in its first request. */
export interface ClaimedNode {
  readonly id: string;
  /** node.metadata as JSON. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface NodeAuthenticatorOptions {
  readonly tokens: TokenIssuer;
  readonly admission: Admission;
  readonly clock: Clock;
}

export class NodeAuthenticator {
  readonly #options: NodeAuthenticatorOptions;

  constructor(options: NodeAuthenticatorOptions) {
    this.#options = options;
  }

  /** Over TLS: the token must be of the service whose workload the node is. The result is the node id. */
  authenticate(authorization: unknown, node: ClaimedNode): Result<string, Denial> {
    const { tokens, admission, clock } = this.#options;
    const caller = callerOf(authorization, tokens, clock);
    if (!caller.ok) return caller;
    const claims = caller.value;
    const workload = admission.workload(node.id);
    // The same answer whether the node is somebody else's or nobody's: a token says nothing about others.
    if (workload === null || !mayBe(claims, workload)) {
      return err({
        code: workload === null ? status.NOT_FOUND : status.PERMISSION_DENIED,
        details: `node "${node.id}" is not a registered instance of ${claims.service}.${claims.namespace}`,
      });
    }
    return ok(node.id);
  }

  /**
   * On the plaintext port: node.id names a Workload, or node.metadata.remora describes one, which is then
   * registered: {service, version, address, inbound_port, outbound_port, app_port, labels}.
   */
  authenticatePlaintext(node: ClaimedNode): Result<string, Denial> {
    const { admission } = this.#options;
    if (admission.workload(node.id) !== null) return ok(node.id);
    const described = node.metadata['remora'];
    const id = splitNodeId(node.id);
    if (id === null || typeof described !== 'object' || described === null) {
      return err({
        code: status.NOT_FOUND,
        details: `no Workload for node.id "${node.id}" (<namespace>/<name>), and no node.metadata.remora to make one from`,
      });
    }
    const fields = described as Readonly<Record<string, unknown>>; // checked by admit
    // The schema tells what is none.
    const labels = (fields['labels'] ?? {}) as Readonly<Record<string, string>>;
    const admitted = admission.admit(id.namespace, id.name, labels, {
      service: fields['service'],
      ...(fields['version'] === undefined ? {} : { version: fields['version'] }),
      address: fields['address'] ?? '127.0.0.1',
      inboundPort: fields['inbound_port'],
      ...(fields['outbound_port'] === undefined ? {} : { outboundPort: fields['outbound_port'] }),
      appPort: fields['app_port'],
    });
    return admitted.ok ? ok(admitted.value) : err(admitted.errors);
  }
}
