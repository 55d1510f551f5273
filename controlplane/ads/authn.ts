// Who a stream is and which snapshot it may have. The rules are injected by controlplane/main (client
// certificate, token, or none on loopback); the node's own word decides nothing by itself.

import { decodeMessage } from '../../proto/any.ts';
import type { BuildVersionProto } from '../../proto/gen/types.ts';
import type { XdsKind } from '../cache/kinds.ts';

/** What gRPC knows of the peer before it has said anything. */
export interface Peer {
  /** `address:port`, for logs. */
  readonly address: string;
  /** DER of the client certificate that TLS verified when the connection began; null = none, or none of ours. */
  readonly certificate: Uint8Array | null;
  /** Call metadata by lower-case key, text values only (`authorization`). */
  readonly metadata: ReadonlyMap<string, readonly string[]>;
}

/** core.v3.Node as the first request carries it. */
export interface XdsNode {
  readonly id: string;
  readonly cluster: string;
  readonly userAgent: string;
  /** Empty strings = not said. */
  readonly locality: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly metadata: Readonly<Record<string, unknown>>;
  /** What the client says that it can do, e.g. `xds.config.supports-resource-ttl`. */
  readonly clientFeatures: readonly string[];
}

export type Admission =
  | {
      readonly ok: true;
      /** Key in the snapshot cache. */
      readonly snapshotKey: string;
      /** Under which the ack tracker lists it; the authenticated id, not the claimed one. */
      readonly nodeId: string;
    }
  | {
      readonly ok: false;
      readonly reason: string;
      /** gRPC status that the stream ends with; default PERMISSION_DENIED. */
      readonly code?: number;
    };

/**
 * Whether a node may ask for that name, which need not exist; null = yes, else why not. Asked for secrets (a
 * name may be somebody else's identity) and for what a library user serves beside Envoy's types. Must not throw.
 */
export type NameGuard = (snapshotKey: string, kind: XdsKind, name: string) => string | null;

/** Why the node may not ask for one of the names; null = it may. */
export function denialOf(
  guard: NameGuard,
  snapshotKey: string,
  kind: XdsKind,
  names: readonly string[],
): string | null {
  for (const name of names) {
    // Who asks for all secrets wants somebody else's.
    if (kind === 'secret' && name === '*') return 'secrets are given by name only';
    const reason = guard(snapshotKey, kind, name);
    if (reason !== null) return reason;
  }
  return null;
}

/** Of the names in a request as much as a line of log should hold. */
export function namesForLog(names: readonly string[]): readonly string[] {
  return names.slice(0, 5).map((name) => name.slice(0, 128));
}

/** Decides once per stream, at its first request. Must not throw. */
export type Authenticator = (peer: Peer, node: XdsNode) => Admission;

/** Characters of what a node says of itself: it is kept, also for a while after it has gone. */
export const MAX_NAME = 1024;

/** Null when the bytes are no Node, or its id or locality is longer than any name. */
export function decodeNode(bytes: Uint8Array): XdsNode | null {
  const decoded = decodeMessage('envoy.config.core.v3.Node', bytes);
  if (!decoded.ok) return null;
  const { message } = decoded.value;
  const { region = '', zone = '', sub_zone: subZone = '' } = message.locality ?? {};
  if ([message.id ?? '', region, zone, subZone].some(({ length }) => length > MAX_NAME))
    return null;
  const version = message.user_agent_version ?? buildVersion(message.user_agent_build_version);
  return {
    id: message.id ?? '',
    cluster: message.cluster ?? '',
    userAgent: [message.user_agent_name ?? '', version]
      .filter((part) => part !== '')
      .join('/')
      .slice(0, MAX_NAME),
    locality: { region, zone, subZone },
    metadata: message.metadata ?? {},
    clientFeatures: message.client_features ?? [],
  };
}

function buildVersion(build: BuildVersionProto | undefined): string {
  const version = build?.version;
  if (version === undefined) return '';
  return [version.major_number, version.minor_number, version.patch].map((n) => n ?? 0).join('.');
}
