// State of the world: how a DiscoveryRequest changes a type's state, and what the next DiscoveryResponse
// holds. LDS and CDS responses are the whole state (absent = deleted); EDS, RDS and SDS only what changed.
// Make before break: a response of the first phase still holds what the second phase takes away.

import {
  adsPath,
  type DiscoveryRequest,
  decodeDiscoveryRequest,
  encodeDiscoveryResponse,
} from '../../proto/discovery.ts';
import { isFullStateKind } from '../cache/kinds.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import { type ResourceSet, versionOf } from '../cache/snapshot.ts';
import type { Protocol, RequestMeaning } from './protocol.ts';
import type { Outgoing, TypeState } from './type-state.ts';

export const sotw: Protocol<DiscoveryRequest> = {
  name: 'sotw',
  path: adsPath.sotw,
  decode: decodeDiscoveryRequest,

  namesIn: (request) => request.resourceNames.length,

  read(state: TypeState, request: DiscoveryRequest): RequestMeaning {
    const isFirst = state.subscription.isFirst;
    // A nonce of another stream says nothing about this one.
    if (!isFirst && request.responseNonce !== state.lastNonce) return 'stale';
    const isAnswer = !isFirst && state.outstandingNonce !== null;
    state.outstandingNonce = null;
    const { added, startedWildcard } = state.subscription.replace(request.resourceNames);
    for (const name of state.held.keys()) {
      if (!state.subscription.wants(name)) state.held.delete(name);
    }
    // Names that are new are answered although the version is unchanged (go-control-plane #399).
    for (const name of added) state.owed.add(name);
    if (isFirst) {
      state.resumeVersion = request.versionInfo;
      state.isOwed = isFullStateKind(state.kind);
    } else if (added.length > 0 || startedWildcard) {
      state.isOwed = isFullStateKind(state.kind);
    } else if (!isAnswer && state.wasParentSent) {
      // Envoy asks again for what a new or changed parent needs, and waits until it comes.
      for (const name of state.subscription.names) state.owed.add(name);
      state.wasParentSent = false;
    }
    if (!isAnswer) return 'subscription';
    return request.errorDetail === null ? 'ack' : 'nack';
  },

  additions(state: TypeState, set: ResourceSet): Outgoing | null {
    resume(state, set);
    const wanted = state.wanted(set);
    const news = wanted.filter(
      ({ name, version }) => state.owed.has(name) || state.heldVersion(name) !== version,
    );
    // A SotW server has no way to say that a name does not exist; the client's timer finds out.
    state.owed.clear();
    if (news.length === 0 && !state.isOwed) return null;
    state.isOwed = false;
    for (const resource of news) state.held.set(resource.name, resource);
    if (!isFullStateKind(state.kind)) {
      return { resources: news, removed: [], version: versionOf(wanted) };
    }
    const resources = [...wanted, ...leaving(state, set)];
    return { resources, removed: [], version: versionOf(resources) };
  },

  removals(state: TypeState, set: ResourceSet): Outgoing | null {
    const gone = leaving(state, set);
    for (const { name } of gone) state.held.delete(name);
    if (gone.length === 0 || !isFullStateKind(state.kind)) return null;
    const resources = state.wanted(set);
    return { resources, removed: gone.map(({ name }) => name), version: versionOf(resources) };
  },

  encode(state, outgoing, nonce, controlPlane): Buffer {
    return encodeDiscoveryResponse({
      versionInfo: outgoing.version,
      resources: outgoing.resources.map(({ typeUrl, bytes }) => ({ typeUrl, value: bytes })),
      typeUrl: state.typeUrl,
      nonce,
      controlPlane,
    });
  },

  // A name that we do not serve cannot be refused in SotW.
  refuseUnknown: () => null,
};

/** A client that comes back with the version that its names still have needs nothing. */
function resume(state: TypeState, set: ResourceSet): void {
  const version = state.resumeVersion;
  state.resumeVersion = '';
  if (version === '') return;
  const wanted = state.wanted(set);
  if (versionOf(wanted) !== version) return;
  for (const resource of wanted) state.held.set(resource.name, resource);
  state.owed.clear();
  state.isOwed = false;
}

/** Held by the client and not in `set` any more. */
function leaving(state: TypeState, set: ResourceSet): SnapshotResource[] {
  const gone: SnapshotResource[] = [];
  for (const [name, held] of state.held) {
    if (set.get(name) === undefined && typeof held !== 'string') gone.push(held);
  }
  return gone;
}
