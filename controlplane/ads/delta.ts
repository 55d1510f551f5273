// Incremental xDS: how a DeltaDiscoveryRequest changes a type's state, and what the next response holds.
// Versions are per resource; a name that does not exist is answered at once with removed_resources.

import {
  adsPath,
  type DeltaDiscoveryRequest,
  decodeDeltaDiscoveryRequest,
  encodeDeltaDiscoveryResponse,
} from '../../proto/discovery.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import type { ResourceSet } from '../cache/snapshot.ts';
import type { Protocol, RequestMeaning } from './protocol.ts';
import type { Outgoing, TypeState } from './type-state.ts';

/** What does not fit comes in the next response: a delta response may be cut anywhere. */
const RESPONSE_BYTES = 2 * 1024 * 1024;

export const delta: Protocol<DeltaDiscoveryRequest> = {
  name: 'delta',
  path: adsPath.delta,
  decode: decodeDeltaDiscoveryRequest,

  namesIn: (request) =>
    request.subscribe.length + request.unsubscribe.length + request.initialResourceVersions.size,

  read(state: TypeState, request: DeltaDiscoveryRequest): RequestMeaning {
    const { subscription } = state;
    const isFirst = subscription.isFirst;
    const change = subscription.change(request.subscribe, request.unsubscribe);
    const known = request.initialResourceVersions;
    if (isFirst) {
      for (const [name, version] of known) {
        if (subscription.wants(name)) state.held.set(name, version);
      }
      state.isOwed = subscription.isWildcard && known.size === 0;
    } else if (change.startedWildcard) {
      state.isOwed = true;
    }
    for (const name of change.subscribed) {
      // Asking again for a name means: send it again. Coming back with its version does not.
      if (!isFirst || !known.has(name)) state.owed.add(name);
    }
    for (const name of change.stillCovered) state.owed.add(name);
    for (const name of change.dropped) {
      state.held.delete(name);
      state.owed.delete(name);
    }
    if (change.endedWildcard) {
      for (const name of state.held.keys()) {
        if (!subscription.wants(name)) state.held.delete(name);
      }
    }
    // Subscription changes count even with a stale nonce; an answer needs the right one.
    if (request.responseNonce === '') return 'subscription';
    if (request.responseNonce !== state.outstandingNonce) return isFirst ? 'subscription' : 'stale';
    state.outstandingNonce = null;
    return request.errorDetail === null ? 'ack' : 'nack';
  },

  additions(state: TypeState, set: ResourceSet): Outgoing | null {
    const missing = [...state.owed].filter((name) => set.get(name) === undefined);
    const resources: SnapshotResource[] = [];
    let bytes = 0;
    for (const resource of state.wanted(set)) {
      const { name } = resource;
      if (!state.owed.has(name) && state.heldVersion(name) === resource.version) continue;
      bytes += resource.bytes.length;
      if (resources.length > 0 && bytes > RESPONSE_BYTES) break;
      resources.push(resource);
    }
    if (resources.length === 0 && missing.length === 0 && !state.isOwed) {
      state.owed.clear();
      return null;
    }
    state.isOwed = false;
    for (const resource of resources) {
      state.held.set(resource.name, resource);
      state.owed.delete(resource.name);
    }
    for (const name of missing) {
      state.held.delete(name);
      state.owed.delete(name);
    }
    return { resources, removed: missing, version: set.version };
  },

  removals(state: TypeState, set: ResourceSet): Outgoing | null {
    const removed: string[] = [];
    for (const name of state.held.keys()) if (set.get(name) === undefined) removed.push(name);
    if (removed.length === 0) return null;
    // The subscription stays: a name that comes back is sent again.
    for (const name of removed) state.held.delete(name);
    return { resources: [], removed, version: set.version };
  },

  encode(state, outgoing, nonce, controlPlane): Buffer {
    return encodeDeltaDiscoveryResponse({
      systemVersionInfo: outgoing.version,
      resources: outgoing.resources.map(({ name, version, typeUrl, bytes }) => ({
        name,
        version,
        resource: { typeUrl, value: bytes },
      })),
      typeUrl: state.typeUrl,
      removedResources: outgoing.removed,
      nonce,
      controlPlane,
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
