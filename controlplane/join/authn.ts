// Who is calling: the token in the call's metadata or the certificate that the mesh gave it, and whether the node
// that it says it is belongs to that service. Used by the join service and, as the gate of every xDS and load report
// stream, by ads/ and load/ (injected).
// The plaintext xDS port has no token: there the node is taken at its word, which is why main opens that
// port on loopback only.

import { status } from '@grpc/grpc-js';
import type { Clock } from '../../common/clock.ts';
import { err, ok, type Result } from '../../common/result.ts';
import { spiffeIdOfPeer } from '../ca/peer-certificate.ts';
import { spiffeId } from '../graph/ids.ts';
import { type LocalityNode, localityOf } from '../graph/locality.ts';
import type { Workload } from '../model/kinds/workload.ts';
import { namespaceOf } from '../model/object.ts';
import { CERTIFICATE_PROVIDER, grpcDialectOf } from '../translate/grpc/profile.ts';
import { type Admission, splitNodeId } from './admission.ts';
import type { Denial } from './denial.ts';
import type { GrpcClients } from './grpc-clients.ts';
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

/** Whom a token or a certificate is for. */
export type ProvenService = Pick<TokenClaims, 'service' | 'namespace'>;

/** True when the proven service is the workload's. */
export function mayBe(claims: ProvenService, workload: Workload): boolean {
  return claims.service === workload.spec.service && claims.namespace === namespaceOf(workload);
}

/** What a peer shows before it says anything. */
export interface PeerCredentials {
  /** Call metadata `authorization`. */
  readonly authorization: unknown;
  /** DER of the certificate that TLS verified when the connection began; null = none, or none of ours. */
  readonly certificate: Uint8Array | null;
}

/** What a stream says of itself in its first request. */
export interface ClaimedNode {
  readonly id: string;
  /** `user_agent_name`, whatever follows it: what kind of client it is. */
  readonly userAgent: string;
  readonly locality: LocalityNode;
  /** node.metadata as JSON. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** What a stream may have. */
export interface AdmittedNode {
  readonly nodeId: string;
  /** Proxyless gRPC clients have one for all of the same profile; a sidecar has its own, of its node id. */
  readonly snapshotKey: string;
}

export interface NodeAuthenticatorOptions {
  readonly tokens: TokenIssuer;
  readonly admission: Admission;
  readonly grpcClients: GrpcClients;
  /** Whose leafs are ours. */
  readonly rootsPem: string;
  readonly trustDomain: () => string;
  readonly clock: Clock;
}

export class NodeAuthenticator {
  readonly #options: NodeAuthenticatorOptions;

  constructor(options: NodeAuthenticatorOptions) {
    this.#options = options;
  }

  /** Over TLS: token or certificate must be of the service whose workload the node is. */
  authenticate(peer: PeerCredentials, node: ClaimedNode): Result<AdmittedNode, Denial> {
    const identified = this.identify(peer, node.id);
    return identified.ok ? this.#admitted(node, identified.value) : identified;
  }

  /** The workload that a peer over TLS is, of which it has said the node id; nothing is admitted or remembered. */
  identify(peer: PeerCredentials, nodeId: string): Result<Workload, Denial> {
    const proven = this.#provenService(peer);
    if (!proven.ok) return proven;
    const { service, namespace } = proven.value;
    const workload = this.#options.admission.workload(nodeId);
    if (workload !== null && mayBe(proven.value, workload)) return ok(workload);
    // The same answer whether the node is somebody else's or nobody's: a token says nothing about others.
    return err({
      code: status.PERMISSION_DENIED,
      details: `node "${nodeId}" is not a registered instance of ${service}.${namespace}`,
    });
  }

  /** The node id of a peer on the plaintext port, if there may be such a node there. */
  identifyPlaintext(node: Pick<ClaimedNode, 'id' | 'userAgent'>): Result<string, Denial> {
    const isKnown = this.#options.admission.workload(node.id) !== null;
    const isGrpc = grpcDialectOf(node.userAgent) !== null && splitNodeId(node.id) !== null;
    if (isKnown || isGrpc) return ok(node.id);
    return err({ code: status.NOT_FOUND, details: `no Workload for node.id "${node.id}"` });
  }

  #provenService({ authorization, certificate }: PeerCredentials): Result<ProvenService, Denial> {
    const { tokens, clock } = this.#options;
    if (certificate === null) return callerOf(authorization, tokens, clock);
    const byCertificate = this.#certifiedService(certificate);
    if (!byCertificate.ok || authorization === undefined) return byCertificate;
    const byToken = callerOf(authorization, tokens, clock);
    if (!byToken.ok) return byToken;
    const [certified, claimed] = [byCertificate.value, byToken.value];
    if (certified.service === claimed.service && certified.namespace === claimed.namespace) {
      return byToken;
    }
    return err({
      code: status.PERMISSION_DENIED,
      details: `the certificate is of ${certified.service}.${certified.namespace}, the token of ${claimed.service}.${claimed.namespace}`,
    });
  }

  #certifiedService(certificate: Uint8Array): Result<ProvenService, Denial> {
    const { rootsPem, trustDomain, clock } = this.#options;
    const id = spiffeIdOfPeer(certificate, rootsPem, clock.wallMs());
    if (!id.ok) return err({ code: status.UNAUTHENTICATED, details: id.errors });
    const [, namespace = '', service = ''] = /\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(id.value) ?? [];
    if (id.value === spiffeId(trustDomain(), namespace, service)) return ok({ service, namespace });
    return err({
      code: status.PERMISSION_DENIED,
      details: `the client certificate's "${id.value}" is no service of this mesh`,
    });
  }

  /**
   * On the plaintext port: node.id names a Workload, or node.metadata.remora describes one, which is then
   * registered: {service, version, address, inbound_port, outbound_port, app_port, labels}. A proxyless gRPC client
   * that is no server needs none: the namespace of its id is where its short names are looked for.
   */
  authenticatePlaintext(node: ClaimedNode): Result<AdmittedNode, Denial> {
    const { admission } = this.#options;
    const known = admission.workload(node.id);
    if (known !== null) return this.#admitted(node, known);
    const described = remoraMetadata(node);
    const id = splitNodeId(node.id);
    const isGrpc = grpcDialectOf(node.userAgent) !== null;
    if (isGrpc && id !== null && described?.['inbound_port'] === undefined) {
      return this.#admitted(node, null);
    }
    if (id === null || described === null) {
      return err({
        code: status.NOT_FOUND,
        details: `no Workload for node.id "${node.id}" (<namespace>/<name>), and no node.metadata.remora to make one from`,
      });
    }
    if (isGrpc && !hasCertificates(described)) {
      return err({
        code: status.INVALID_ARGUMENT,
        details: `the proxyless server "${node.id}" has no certificates (remora ctl grpc-bootstrap --certificates), but sidecars call it by mTLS`,
      });
    }
    // The schema tells what is none.
    const labels = (described['labels'] ?? {}) as Readonly<Record<string, string>>;
    const admitted = admission.admit(id.namespace, id.name, labels, {
      service: described['service'],
      ...(described['version'] === undefined ? {} : { version: described['version'] }),
      address: described['address'] ?? '127.0.0.1',
      inboundPort: described['inbound_port'],
      ...(described['outbound_port'] === undefined
        ? {}
        : { outboundPort: described['outbound_port'] }),
      // Without a sidecar nothing stands before the application.
      appPort: described['app_port'] ?? (isGrpc ? described['inbound_port'] : undefined),
    });
    return admitted.ok ? this.#admitted(node, admission.workload(node.id)) : err(admitted.errors);
  }

  /**
   * The same for one poll (REST). There is no stream: a poll renews the lease itself, and a profile of proxyless gRPC
   * clients, which lives as long as its streams, would never be given up.
   */
  authenticatePoll(node: ClaimedNode): Result<AdmittedNode, Denial> {
    if (grpcDialectOf(node.userAgent) === null) {
      const admitted = this.authenticatePlaintext(node);
      if (admitted.ok) this.#options.admission.renew(admitted.value.nodeId);
      return admitted;
    }
    return err({
      code: status.UNIMPLEMENTED,
      details: 'gRPC clients get their resources by streams, not by polling',
    });
  }

  #admitted(node: ClaimedNode, workload: Workload | null): Result<AdmittedNode, Denial> {
    const dialect = grpcDialectOf(node.userAgent);
    if (dialect === null) return ok({ nodeId: node.id, snapshotKey: node.id });
    const key = this.#options.grpcClients.admit({
      dialect,
      namespace: splitNodeId(node.id)?.namespace ?? '',
      locality: workload === null ? node.locality : localityOf(workload),
      hasCertificates: hasCertificates(remoraMetadata(node)),
      nodeId: workload === null ? null : node.id,
    });
    return key.ok ? ok({ nodeId: node.id, snapshotKey: key.value }) : key;
  }
}

function remoraMetadata(node: ClaimedNode): Readonly<Record<string, unknown>> | null {
  const { remora } = node.metadata;
  return typeof remora === 'object' && remora !== null
    ? (remora as Readonly<Record<string, unknown>>) // each field is checked where it is used
    : null;
}

/** Told by the bootstrap of `ctl grpc-bootstrap --certificates`: a cluster that names a provider it lacks is refused. */
function hasCertificates(metadata: Readonly<Record<string, unknown>> | null): boolean {
  return metadata?.['certificate_provider'] === CERTIFICATE_PROVIDER;
}
