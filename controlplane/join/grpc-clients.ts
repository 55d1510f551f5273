// The profiles of the proxyless gRPC clients that have a stream open. A profile's snapshot is made when its first
// stream comes and given up with its last; all streams of one profile share it. Asked by the gate (authn.ts) and by
// reconcile; knows no stream.

import { status } from '@grpc/grpc-js';
import { err, ok, type Result } from '../../common/result.ts';
import { type GrpcProfile, profileKey } from '../translate/grpc/profile.ts';
import type { Denial } from './denial.ts';

/** Namespaces and localities come from clients: what they make us keep is bounded. */
const MAX_PROFILES = 10_000;

interface Entry {
  readonly profile: GrpcProfile;
  streams: number;
}

export interface GrpcClientsOptions {
  /** Make the snapshot of a new profile under `key`, before its stream asks for anything. */
  readonly onNew: (key: string, profile: GrpcProfile) => void;
  /** Nobody has it any more. */
  readonly onGone: (key: string) => void;
  readonly maxProfiles?: number;
}

export class GrpcClients {
  readonly #options: GrpcClientsOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: GrpcClientsOptions) {
    this.#options = options;
  }

  /** By snapshot key. */
  profiles(): (readonly [string, GrpcProfile])[] {
    return [...this.#entries].map(([key, { profile }]) => [key, profile]);
  }

  /** The result is the key of the snapshot that its stream gets; `opened` must follow. */
  admit(profile: GrpcProfile): Result<string, Denial> {
    const key = profileKey(profile);
    if (this.#entries.has(key)) return ok(key);
    if (this.#entries.size >= (this.#options.maxProfiles ?? MAX_PROFILES)) {
      return err({
        code: status.RESOURCE_EXHAUSTED,
        details: 'too many namespaces and localities of proxyless gRPC clients',
      });
    }
    this.#entries.set(key, { profile, streams: 0 });
    this.#options.onNew(key, profile);
    return ok(key);
  }

  /** A stream has the snapshot now. The result is the node whose lease it renews: `key` itself for a sidecar's. */
  opened(key: string): string {
    const entry = this.#entries.get(key);
    if (entry === undefined) return key;
    entry.streams++;
    return entry.profile.nodeId ?? key;
  }

  /** A stream that `opened` has ended. The result is as there. */
  closed(key: string): string {
    const entry = this.#entries.get(key);
    if (entry === undefined) return key;
    entry.streams--;
    if (entry.streams === 0) {
      this.#entries.delete(key);
      this.#options.onGone(key);
    }
    return entry.profile.nodeId ?? key;
  }
}
