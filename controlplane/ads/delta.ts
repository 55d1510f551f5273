// Incremental xDS: how a DeltaDiscoveryRequest changes a type's state, and what the next response holds.
// Versions are per resource; a name that does not exist is answered at once with removed_resources.

import {
  type DeltaDiscoveryRequest,
  decodeDeltaDiscoveryRequest,
  encodeDeltaDiscoveryResponse,
} from '../../proto/discovery.ts';
import {
  encodeResource,
  encodeResourceWithTtl,
  encodeUnknownResource,
  spliceDeltaDiscoveryResponse,
} from '../../proto/discovery-splice.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import type { ResourceSet } from '../cache/snapshot.ts';
import { virtualHostFor } from '../cache/virtual-hosts.ts';
import type { Protocol, RequestMeaning, ResponseFrame } from './protocol.ts';
import { isCollection } from './subscription.ts';
import type { Outgoing, TypeState } from './type-state.ts';

/** What does not fit comes in the next response: a delta response may be cut anywhere. */
const RESPONSE_BYTES = 2 * 1024 * 1024;

export const delta: Protocol<DeltaDiscoveryRequest> = {
  name: 'delta',
  ttlFeature: 'xds.config.supports-resource-ttl',
  decode: decodeDeltaDiscoveryRequest,

  namesIn: (request) =>
    request.subscribe.length + request.unsubscribe.length + request.initialResourceVersions.size,
  namesOf: (request) => request.subscribe,

  read(state: TypeState, request: DeltaDiscoveryRequest, current: ResourceSet): RequestMeaning {
    const { subscription, held } = state;
    const isFirst = subscription.isFirst;
    if (subscription.willStartWildcard(request.subscribe) || request.subscribe.some(isCollection)) {
      held.beforeWildcard();
    }
    const intern = (name: string): string => current.get(name)?.name ?? name;
    const change = subscription.change(request.subscribe, request.unsubscribe, intern);
    const known = request.initialResourceVersions;
    if (isFirst) {
      for (const [name, version] of known) if (isWanted(state, name)) held.set(name, version);
      // Envoy's VHDS begins with no names and waits for an answer, which may be empty.
      const waits =
        subscription.isWildcard ||
        (state.kind === 'virtual-host' && request.subscribe.length === 0);
      state.isOwed = waits && known.size === 0;
    } else if (change.startedWildcard) {
      state.isOwed = true;
    }
    for (const name of change.subscribed) {
      // Asking again for a name means: send it again. Coming back with its version does not.
      if (isFirst && known.has(name)) continue;
      held.forget(name);
      state.owe(name);
    }
    for (const name of change.stillCovered) state.owe(name);
    for (const name of change.dropped) state.forgive(name);
    held.dropUnwanted();
    // Subscription changes count even with a stale nonce; an answer needs the right one.
    if (request.responseNonce === '') return 'subscription';
    if (request.responseNonce !== state.outstandingNonce) return isFirst ? 'subscription' : 'stale';
    state.outstandingNonce = null;
    return request.errorDetail === null ? 'ack' : 'nack';
  },

  additions(state: TypeState, set: ResourceSet): Outgoing | null {
    const missing = state.owedInVain(set);
    const news = state.news(set);
    const resources: SnapshotResource[] = [];
    let bytes = 0;
    for (const resource of news) {
      bytes += resource.bytes.length;
      if (resources.length > 0 && bytes > RESPONSE_BYTES) break;
      resources.push(resource);
    }
    if (resources.length === 0 && missing.length === 0 && !state.isOwed) {
      state.forgiveAll();
      return null;
    }
    if (state.isOwed && state.kind === 'virtual-host') missing.push(...tablesOf(set));
    state.isOwed = false;
    for (const resource of resources) state.held.set(resource.name, resource);
    if (resources.length === news.length) state.forgiveAll();
    else forgive(state, resources, set);
    for (const name of missing) {
      state.held.delete(name);
      state.forgive(name);
    }
    // Of a host that nobody serves Envoy must hear under the name that it asked for (see encode).
    return state.kind === 'virtual-host'
      ? { resources, removed: [], unknown: missing, version: set.version }
      : { resources, removed: missing, version: set.version };
  },

  removals(state: TypeState, set: ResourceSet): Outgoing | null {
    const removed = [...state.held.leaving(set)].map(([name]) => name);
    if (removed.length === 0) return null;
    // The subscription stays: a name that comes back is sent again.
    for (const name of removed) state.held.delete(name);
    return { resources: [], removed, version: set.version };
  },

  encode(state, outgoing, frame): Buffer {
    const { isHeartbeat = false, resources, removed, unknown = [], version } = outgoing;
    const entries = resources.map((resource) => entryOf(state, resource, frame, isHeartbeat));
    return spliceDeltaDiscoveryResponse({
      systemVersionInfo: version,
      resources: [...entries, ...unknown.map(encodeUnknownResource)],
      typeUrl: state.typeUrl,
      removedResources: removed,
      nonce: frame.nonce,
      controlPlane: frame.controlPlane,
    });
  },

  refuseUnknown(request, nonce, controlPlane): Buffer | null {
    if (request.subscribe.length === 0) return null;
    return encodeDeltaDiscoveryResponse({
      systemVersionInfo: '',
      resources: [],
      typeUrl: request.typeUrl,
      removedResources: request.subscribe,
      nonce,
      controlPlane,
    });
  },
};

/** Not yet known under that name is wanted too: by name, or as one of a collection. */
function isWanted(state: TypeState, name: string): boolean {
  const { subscription } = state;
  return (
    subscription.wants(name) || subscription.wants(`${name.slice(0, name.lastIndexOf('/'))}/*`)
  );
}

/**
 * Envoy begins to use a table when its VHDS has an answer about it, and an empty response is about none: `<table>/`
 * names no host, so this says that there is nothing yet.
 */
function tablesOf(set: ResourceSet): Set<string> {
  const tables = new Set<string>();
  for (const name of set.resources.keys()) tables.add(name.slice(0, name.lastIndexOf('/') + 1));
  return tables;
}

/** Of a response that was cut: only names of what went are answered. */
function forgive(state: TypeState, sent: readonly SnapshotResource[], set: ResourceSet): void {
  const went = new Set(sent);
  for (const name of [...state.owed]) {
    const resource = set.find(name);
    if (resource !== undefined && went.has(resource)) state.forgive(name);
  }
}

function entryOf(
  state: TypeState,
  resource: SnapshotResource,
  frame: ResponseFrame,
  isHeartbeat: boolean,
): Uint8Array {
  const { name, version, typeUrl, ttlMs } = resource;
  const hasTtl = ttlMs !== null && frame.hasTtl;
  if (!hasTtl && state.kind !== 'virtual-host') return resource.encoded.delta;
  const aliases = aliasesFor(state, resource);
  const { bytes } = resource;
  if (!hasTtl) return encodeResource({ name, version, typeUrl, aliases, value: bytes }).delta;
  const value = isHeartbeat ? null : bytes;
  return encodeResourceWithTtl({ name, version, typeUrl, aliases, value }, ttlMs);
}

/** A virtual host for `*.example.com` goes under each host that was asked for: Envoy waits for that name. */
function aliasesFor(state: TypeState, resource: SnapshotResource): readonly string[] {
  const { aliases } = resource;
  if (state.kind !== 'virtual-host') return aliases;
  const byDomain = new Map(aliases.map((alias) => [alias, resource]));
  const asked = [...state.subscription.names].filter((name) => virtualHostFor(byDomain, name));
  return [...new Set([...aliases, ...asked])];
}
