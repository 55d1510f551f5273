// State of the world: how a DiscoveryRequest changes a type's state, and what the next DiscoveryResponse
// holds. LDS and CDS responses are the whole state (absent = deleted); EDS, RDS and SDS only what changed.
// Make before break: a response of the first phase still holds what the second phase takes away.

import { type DiscoveryRequest, decodeDiscoveryRequest } from '../../proto/discovery.ts';
import { encodeWrappedResource, spliceDiscoveryResponse } from '../../proto/discovery-splice.ts';
import { isFullStateKind } from '../cache/kinds.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import { type ResourceSet, versionOf } from '../cache/snapshot.ts';
import type { Protocol, RequestMeaning, ResponseFrame } from './protocol.ts';
import type { Outgoing, TypeState } from './type-state.ts';

export const sotw: Protocol<DiscoveryRequest> = {
  name: 'sotw',
  ttlFeature: 'xds.config.supports-resource-in-sotw',
  decode: decodeDiscoveryRequest,

  namesIn: (request) => request.resourceNames.length,
  namesOf: (request) => request.resourceNames,

  read(state: TypeState, request: DiscoveryRequest, current: ResourceSet): RequestMeaning {
    const { subscription, held } = state;
    const isFirst = subscription.isFirst;
    // A nonce of another stream says nothing about this one.
    if (!isFirst && request.responseNonce !== state.lastNonce) {
      // Sent before our last response came: the answer to that is still on its way.
      if (state.outstandingNonce !== null) {
        subscription.narrow(request.resourceNames);
        held.dropUnwanted();
      }
      return 'stale';
    }
    const isAnswer = !isFirst && state.outstandingNonce !== null;
    state.outstandingNonce = null;
    if (subscription.willStartWildcard(request.resourceNames)) held.beforeWildcard();
    const intern = (name: string): string => current.get(name)?.name ?? name;
    const { added, startedWildcard } = subscription.replace(request.resourceNames, intern);
    held.dropUnwanted();
    // Names that are new are answered although the version is unchanged (go-control-plane #399).
    for (const name of added) {
      held.forget(name);
      state.owe(name);
    }
    if (isFirst) {
      state.resumeVersion = request.versionInfo;
      state.isOwed = isFullStateKind(state.kind);
    } else if (added.length > 0 || startedWildcard) {
      state.isOwed = isFullStateKind(state.kind);
    } else if (!isAnswer && state.wasParentSent) {
      // Envoy asks again for what a new or changed parent needs, and waits until it comes.
      for (const name of subscription.names) state.owe(name);
      state.wasParentSent = false;
    }
    if (!isAnswer) return 'subscription';
    return request.errorDetail === null ? 'ack' : 'nack';
  },

  additions(state: TypeState, set: ResourceSet): Outgoing | null {
    resume(state, set);
    const news = state.news(set);
    // A SotW server has no way to say that a name does not exist; the client's timer finds out.
    state.forgiveAll();
    if (news.length === 0 && !state.isOwed) return null;
    state.isOwed = false;
    for (const resource of news) state.held.set(resource.name, resource);
    const wanted = state.wanted(set);
    if (!isFullStateKind(state.kind)) {
      return { resources: news, removed: [], version: versionOfWanted(wanted, set) };
    }
    const gone = leaving(state, set);
    if (gone.length === 0) {
      return { resources: wanted, removed: [], version: versionOfWanted(wanted, set) };
    }
    const resources = [...wanted, ...gone];
    return { resources, removed: [], version: versionOf(resources) };
  },

  removals(state: TypeState, set: ResourceSet): Outgoing | null {
    const gone = leaving(state, set);
    for (const { name } of gone) state.held.delete(name);
    if (gone.length === 0 || !isFullStateKind(state.kind)) return null;
    const resources = state.wanted(set);
    const removed = gone.map(({ name }) => name);
    return { resources, removed, version: versionOfWanted(resources, set) };
  },

  encode(state, outgoing, frame): Buffer {
    const { isHeartbeat = false, resources, version } = outgoing;
    return spliceDiscoveryResponse({
      versionInfo: version,
      resources: resources.map((resource) => entryOf(resource, frame, isHeartbeat)),
      typeUrl: state.typeUrl,
      nonce: frame.nonce,
      controlPlane: frame.controlPlane,
    });
  },

  // A name that we do not serve cannot be refused in SotW.
  refuseUnknown: () => null,
};

function entryOf(
  resource: SnapshotResource,
  frame: ResponseFrame,
  isHeartbeat: boolean,
): Uint8Array {
  const { name, version, typeUrl, aliases, ttlMs } = resource;
  if (ttlMs === null || !frame.hasTtl) return resource.encoded.sotw;
  const value = isHeartbeat ? null : resource.bytes;
  return encodeWrappedResource({ name, version, typeUrl, aliases, value }, ttlMs);
}

/** The same text as versionOf, which the set has already when all of it is wanted. */
function versionOfWanted(wanted: readonly SnapshotResource[], set: ResourceSet): string {
  return wanted.length === set.size ? set.version : versionOf(wanted);
}

/** A client that comes back with the version that its names still have needs nothing. */
function resume(state: TypeState, set: ResourceSet): void {
  const version = state.resumeVersion;
  state.resumeVersion = '';
  if (version === '') return;
  const wanted = state.wanted(set);
  if (versionOfWanted(wanted, set) !== version) return;
  for (const resource of wanted) state.held.set(resource.name, resource);
  state.forgiveAll();
  state.isOwed = false;
}

/** Held by the client and not in `set` any more. */
function leaving(state: TypeState, set: ResourceSet): SnapshotResource[] {
  const gone: SnapshotResource[] = [];
  for (const [, held] of state.held.leaving(set)) if (typeof held !== 'string') gone.push(held);
  return gone;
}
