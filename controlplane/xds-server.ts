// `remora/xds-server`: the snapshot cache and the discovery server of this control plane, for control planes of
// others. Not used by our own main, which puts the same parts together itself. docs/xds-libraries.md shows it.

import { Server, ServerCredentials } from '@grpc/grpc-js';
import { systemClock } from '../common/clock.ts';
import { CodedError } from '../common/coded-error.ts';
import { createLogger, type Logger } from '../common/logger.ts';
import { formatFieldError } from '../common/result.ts';
import { TimerWheel } from '../common/timer.ts';
import { messageFromJson } from '../proto/json.ts';
import { nameInMessage, type XdsMessageKind, type XdsMessages } from '../proto/xds-messages.ts';
import type { AckTracker } from './ads/ack-tracker.ts';
import type { Authenticator, NameGuard, Peer, XdsNode } from './ads/authn.ts';
import { metricsText } from './ads/metrics.ts';
import {
  type AdsLimits,
  AdsServer,
  type AdsServerOptions,
  adsChannelOptions,
} from './ads/server.ts';
import { type OtherKind, typeNameOfKind } from './cache/kinds.ts';
import { NodeGroups } from './cache/node-groups.ts';
import { type ResourceOptions, SnapshotResource } from './cache/resource.ts';
import { Snapshot } from './cache/snapshot.ts';
import { SnapshotCache, type SnapshotCacheOptions } from './cache/snapshot-cache.ts';

export type { NodeStatus, SyncStatus, TypeStatus } from './ads/ack-tracker.ts';
export type { Authenticator, NameGuard, Peer, XdsNode } from './ads/authn.ts';
export { type RestDiscoveryOptions, restDiscovery } from './ads/rest.ts';
export {
  type AdsLimits,
  AdsServer,
  type AdsServerOptions,
  adsChannelOptions,
} from './ads/server.ts';
export { formatMissing, missingReferences } from './cache/consistency.ts';
export { typeUrlOfKind, type XdsKind } from './cache/kinds.ts';
export { NodeGroups } from './cache/node-groups.ts';
export { type ResourceOptions, SnapshotResource } from './cache/resource.ts';
export { ResourceSet, Snapshot } from './cache/snapshot.ts';
export { SnapshotCache } from './cache/snapshot-cache.ts';
export { defaultVanishLimits } from './cache/vanish-guard.ts';

/**
 * A resource from its message in plain form: proto field names, durations as `{seconds, nanos}`. Its name is the
 * message's own; `options.name` is needed for a virtual host (`<route configuration>/<name>`).
 */
export function resource<Kind extends XdsMessageKind>(
  kind: Kind,
  message: XdsMessages[Kind],
  options: ResourceOptions & { readonly name?: string } = {},
): SnapshotResource {
  return SnapshotResource.ofMessage(kind, nameOf(kind, message, options.name), message, options);
}

/**
 * A resource from JSON as in Envoy's documentation: `"1s"`, `{"@type": ...}`. Throws a CodedError `bad-resource`
 * that names every wrong field by its path.
 */
export function resourceFromJson(
  kind: XdsMessageKind,
  json: unknown,
  options: ResourceOptions & { readonly name?: string } = {},
): SnapshotResource {
  const read = messageFromJson(typeNameOfKind(kind), json, { unknownFields: 'error' });
  if (!read.ok) {
    throw new CodedError(
      'bad-resource',
      `${kind}: ${read.errors.map(formatFieldError).join('; ')}`,
    );
  }
  const { message } = read.value;
  return SnapshotResource.ofMessage(kind, nameOf(kind, message, options.name), message, options);
}

/** A resource of a type of your own, encoded by you. The server must list the type in `otherTypes`. */
export function resourceOfOtherType(
  typeUrl: OtherKind,
  name: string,
  bytes: Uint8Array,
  options: ResourceOptions = {},
): SnapshotResource {
  return SnapshotResource.ofBytes(typeUrl, name, bytes, options);
}

function nameOf(kind: XdsMessageKind, message: object, given: string | undefined): string {
  const name = given ?? nameInMessage(kind, message);
  if (name === '') throw new CodedError('bad-resource', `a ${kind} without a name`);
  return name;
}

export interface XdsServerOptions extends AdsLimits {
  /** Default 127.0.0.1. */
  readonly address?: string;
  /** 0 = any free one; `XdsServer.port` says which. */
  readonly port: number;
  /** TLS of the port. Default none: then stay on loopback. */
  readonly credentials?: ServerCredentials;
  /** Whose snapshot a node gets: a group that it shares with others, or itself. Default: node.id. */
  readonly groupOf?: (node: XdsNode, peer: Peer) => string;
  /** Who may open a stream. Default: everybody, as who they say. */
  readonly authenticate?: (node: XdsNode, peer: Peer) => { readonly refused: string } | null;
  /** Which names a node may ask for. Default: every one; it gets what its snapshot holds. */
  readonly mayAskFor?: NameGuard;
  /** Types beside Envoy's own. */
  readonly otherTypes?: readonly OtherKind[];
  /** A guard against snapshots that take most of the mesh away. Default off; see defaultVanishLimits. */
  readonly guard?: SnapshotCacheOptions['guard'];
  /** control_plane.identifier. Default `xds-server`. */
  readonly identifier?: string;
  /** Default: warnings and errors, as JSON lines on stderr. */
  readonly logger?: Logger;
}

export interface XdsServer {
  /** The real one. */
  readonly port: number;
  readonly cache: SnapshotCache;
  /** Snapshots by group; the forks of single nodes. */
  readonly groups: NodeGroups;
  /** What every node was sent and what it answered. */
  readonly tracker: AckTracker;
  /** Replaces everything that a group's nodes (or the node of that name) get. Throws when it cannot be encoded. */
  set(group: string, resources: Iterable<SnapshotResource>): void;
  /** Prometheus text, `remora_cp_*`. */
  metrics(): string;
  /** Ends all streams and stops listening. */
  close(): void;
}

/** Starts a discovery server: every type, state of the world and delta. Rejects with `cannot-listen`. */
export async function startXdsServer(options: XdsServerOptions): Promise<XdsServer> {
  const { address = '127.0.0.1', groupOf = (node) => node.id } = options;
  const logger = options.logger ?? createLogger('warning', 'xds-server');
  const cache = new SnapshotCache({ guard: options.guard ?? null });
  const groups = new NodeGroups(cache);
  const { mayAskFor, otherTypes } = options;
  const ads = new AdsServer({
    ...options,
    ...(mayAskFor === undefined ? {} : { mayAskFor }),
    ...(otherTypes === undefined ? {} : { otherTypes }),
    cache,
    authenticate: authenticator(options, groups, groupOf),
    ...membership(groups),
    clock: systemClock,
    timers: new TimerWheel(),
    logger,
    identifier: options.identifier ?? 'xds-server',
  });
  const server = new Server(adsChannelOptions);
  ads.addTo(server);
  const credentials = options.credentials ?? ServerCredentials.createInsecure();
  const target = `${address.includes(':') ? `[${address}]` : address}:${options.port}`;
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(target, credentials, (cause, bound) => {
      if (cause === null) resolve(bound);
      else
        reject(
          new CodedError('cannot-listen', `cannot listen on ${target}: ${cause.message}`, {
            cause,
          }),
        );
    });
  });
  return {
    port,
    cache,
    groups,
    tracker: ads.tracker,
    set: (group, resources) => groups.set(group, Snapshot.of(resources)),
    metrics: () =>
      metricsText([ads], {
        heldBackSnapshots: cache.heldBack().size,
        changesTotal: 0,
        roundsTotal: 0,
      }),
    close: () => {
      ads.close();
      server.forceShutdown();
    },
  };
}

function authenticator(
  options: XdsServerOptions,
  groups: NodeGroups,
  groupOf: (node: XdsNode, peer: Peer) => string,
): Authenticator {
  return (peer, node) => {
    const refusal = options.authenticate?.(node, peer) ?? null;
    if (refusal !== null) return { ok: false, reason: refusal.refused };
    groups.join(node.id, groupOf(node, peer));
    return { ok: true, snapshotKey: node.id, nodeId: node.id };
  };
}

/** Nodes are members while they have a stream: ever new names of a hostile client must not pile up. */
function membership(
  groups: NodeGroups,
): Pick<AdsServerOptions, 'onStreamOpened' | 'onStreamClosed'> {
  const streams = new Map<string, number>();
  return {
    onStreamOpened: (nodeId) => streams.set(nodeId, (streams.get(nodeId) ?? 0) + 1),
    onStreamClosed: (nodeId) => {
      const left = (streams.get(nodeId) ?? 1) - 1;
      if (left > 0) streams.set(nodeId, left);
      else {
        streams.delete(nodeId);
        groups.leave(nodeId);
      }
    },
  };
}
