// A ClusterLoadAssignment whose endpoints mostly are what they were: the bytes of each are taken out, those that the version
// before has as well give the host that was compiled then, and what is left without endpoints goes the general way. Called by
// resource-compiler.ts. Whatever is unusual goes the general way as a whole: null, never an error. Bytes may be hostile.
//
//   | cluster_name 1 | endpoints 2 { locality 1 | lb_endpoints 2 | ... } | policy 4 |       rest = all but the lb_endpoints

import protobuf from 'protobufjs/minimal.js';
import { decodeMessage } from '../../proto/any.ts';
import { validateMessage } from '../../proto/validate.ts';
import type { HostConfig, LoadAssignment } from '../api/config/cluster.ts';
import type { Compilation } from '../compile/compilation.ts';
import { compileHost, hasTooMuchWeight } from './endpoint.ts';
import { deepFreeze } from './freeze.ts';
import { SimpleEndpoints } from './simple-endpoint.ts';
import { checkSupport } from './support-check.ts';

const ENDPOINT = 'envoy.config.endpoint.v3.LbEndpoint';
const CLUSTER_NAME_TAG = (1 << 3) | 2;
const ENDPOINTS_TAG = (2 << 3) | 2;
const LB_ENDPOINTS_TAG = (2 << 3) | 2;
const FIRST_PRUNE = 1024;
/** A few that left are found so, without an index of all. */
const LOOK_AHEAD = 8;
/** To compile so many anew costs less than that index. */
const CHEAP_MISSES = 16;

/** An encoded assignment, taken apart. */
interface SplitAssignment {
  /** '' = it has none. */
  readonly name: string;
  /** The same assignment without lb_endpoints. */
  readonly rest: Uint8Array;
  readonly bytes: Buffer;
  /** Begin and end in `bytes` of each lb_endpoint. */
  readonly ranges: Int32Array;
  /** By locality, in order: how many of them are its own. */
  readonly counts: readonly number[];
}

/** What an assignment is made of. */
export interface AssignmentPieces {
  /** An encoded assignment that says all but the hosts. */
  readonly rest: Uint8Array;
  /** By locality, in order. */
  readonly hosts: readonly (readonly HostConfig[])[];
}

/** The assignments that somebody holds: it keeps none of them alive. */
export class HeldAssignments {
  readonly #byId = new Map<string, WeakRef<LoadAssignment>>();
  readonly #splitOf = new WeakMap<LoadAssignment, SplitAssignment>();
  /** Of the last take. */
  #taken: SplitAssignment | null = null;
  #pruneAt = FIRST_PRUNE;

  /** `assignment` was compiled from what was taken last. */
  hold(assignment: LoadAssignment): void {
    if (this.#taken === null) return;
    this.#splitOf.set(assignment, this.#taken);
    this.#byId.set(assignment.clusterName, new WeakRef(assignment));
    if (this.#byId.size < this.#pruneAt) return;
    for (const [id, held] of this.#byId) if (held.deref() === undefined) this.#byId.delete(id);
    this.#pruneAt = Math.max(FIRST_PRUNE, 2 * this.#byId.size);
  }

  /**
   * Takes an encoded assignment apart. Null = something in it is wrong or unknown: compile all of it, which says what and
   * where. `idOf` gives the id of what has that name on the wire.
   */
  take(
    bytes: Uint8Array,
    idOf: (name: string) => string,
    compilation: Compilation,
  ): AssignmentPieces | null {
    const split = splitAssignment(bytes);
    this.#taken = split;
    if (split === null) return null;
    const held = this.#byId.get(idOf(split.name))?.deref();
    const known = new KnownHosts(held ?? null, (held && this.#splitOf.get(held)) ?? null);
    const hosts = compileEndpoints(split, known, compilation);
    return hosts === null ? null : { rest: split.rest, hosts };
  }
}

/** `assignment` with these hosts, by locality. */
export function withHosts(
  assignment: LoadAssignment,
  hosts: AssignmentPieces['hosts'],
): LoadAssignment {
  const localities = assignment.localities.map((locality, i) => {
    const own = hosts[i] ?? [];
    return own.length === 0 ? locality : { ...locality, hosts: own };
  });
  return { ...assignment, localities };
}

/** Null = malformed. */
function splitAssignment(encoded: Uint8Array): SplitAssignment | null {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const reader = protobuf.Reader.create(bytes);
  const rest: Uint8Array[] = [];
  const ranges: number[] = [];
  const counts: number[] = [];
  let name = '';
  try {
    while (reader.pos < reader.len) {
      const start = reader.pos;
      const tag = reader.uint32();
      if (tag === ENDPOINTS_TAG) {
        const inner: Uint8Array[] = [];
        const before = ranges.length;
        splitLocality(bytes, reader, ranges, inner);
        counts.push((ranges.length - before) / 2);
        const content = Buffer.concat(inner);
        const head = protobuf.Writer.create().uint32(ENDPOINTS_TAG).uint32(content.length);
        rest.push(head.finish(), content);
        continue;
      }
      if (tag === CLUSTER_NAME_TAG) {
        const end = endOfField(reader);
        name = bytes.toString('utf8', reader.pos, end);
        reader.pos = end;
      } else reader.skipType(tag & 7, 0, tag >>> 3);
      rest.push(bytes.subarray(start, reader.pos));
    }
  } catch {
    return null;
  }
  return { name, rest: Buffer.concat(rest), bytes, ranges: Int32Array.from(ranges), counts };
}

/** Where the length-delimited field at the reader ends; throws when that is beyond the end. */
function endOfField(reader: protobuf.Reader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError('a field is longer than its message');
  return end;
}

/** Where its endpoints are goes to `ranges`, all other fields to `rest`. */
function splitLocality(
  bytes: Buffer,
  reader: protobuf.Reader,
  ranges: number[],
  rest: Uint8Array[],
): void {
  const end = endOfField(reader);
  while (reader.pos < end) {
    const start = reader.pos;
    const tag = reader.uint32();
    if (tag === LB_ENDPOINTS_TAG) {
      const endpointEnd = endOfField(reader);
      ranges.push(reader.pos, endpointEnd);
      reader.pos = endpointEnd;
    } else {
      reader.skipType(tag & 7, 0, tag >>> 3);
      rest.push(bytes.subarray(start, reader.pos));
    }
  }
  if (reader.pos !== end) throw new RangeError('a field is longer than its message');
}

/** By locality; null = some endpoint is wrong, or has what nobody knows. */
function compileEndpoints(
  split: SplitAssignment,
  known: KnownHosts,
  compilation: Compilation,
): readonly (readonly HostConfig[])[] | null {
  const { bytes, ranges } = split;
  const simple = new SimpleEndpoints(bytes);
  const localities: HostConfig[][] = [];
  let next = 0;
  for (const count of split.counts) {
    const hosts: HostConfig[] = [];
    for (let i = 0; i < count; i++) {
      const [start, end] = [ranges[next++]!, ranges[next++]!];
      const host =
        known.take(bytes, start, end) ??
        simple.read(start, end) ??
        compileEndpoint(bytes.subarray(start, end), compilation);
      if (host === null) return null;
      hosts.push(host);
    }
    if (hasTooMuchWeight(hosts)) return null;
    localities.push(hosts);
  }
  return localities;
}

function compileEndpoint(bytes: Uint8Array, compilation: Compilation): HostConfig | null {
  const decoded = decodeMessage(ENDPOINT, bytes);
  if (!decoded.ok || decoded.value.warnings.length > 0) return null;
  const { message } = decoded.value;
  if (validateMessage(ENDPOINT, message).length > 0) return null;
  if (checkSupport(ENDPOINT, message).length > 0) return null;
  const host = compileHost(message, '', false, compilation);
  return compilation.errors.length > 0 ? null : deepFreeze(host);
}

/** Hosts of the version before, by the bytes of their endpoints. */
class KnownHosts {
  readonly #bytes: Buffer;
  readonly #ranges: Int32Array;
  readonly #hosts: readonly HostConfig[];
  /** Of the next that is expected: mostly all come in the same order. */
  #next = 0;
  /** Not found near where they were expected. */
  #misses = 0;
  /** Index of each by its bytes. */
  #byBytes: Map<string, number> | null = null;

  constructor(held: LoadAssignment | null, split: SplitAssignment | null) {
    this.#bytes = split?.bytes ?? Buffer.alloc(0);
    this.#hosts = held?.localities.flatMap(({ hosts }) => hosts) ?? [];
    // Hosts may have come from elsewhere.
    const isWhole = split !== null && split.ranges.length === 2 * this.#hosts.length;
    this.#ranges = isWhole ? split.ranges : new Int32Array(0);
  }

  /** Null = none that was looked for has these bytes. */
  take(bytes: Buffer, start: number, end: number): HostConfig | null {
    const count = this.#ranges.length / 2;
    if (count === 0) return null;
    const last = Math.min(count, this.#next + LOOK_AHEAD);
    for (let at = this.#next; at < last; at++) {
      if (this.#isAt(at, bytes, start, end)) return this.#takeAt(at);
    }
    if (++this.#misses <= CHEAP_MISSES) return null;
    this.#byBytes ??= this.#index();
    const at = this.#byBytes.get(bytes.toString('latin1', start, end));
    return at === undefined ? null : this.#takeAt(at);
  }

  #takeAt(at: number): HostConfig {
    this.#next = at + 1;
    return this.#hosts[at]!;
  }

  #isAt(at: number, bytes: Buffer, start: number, end: number): boolean {
    const from = this.#ranges[2 * at]!;
    const length = end - start;
    if (this.#ranges[2 * at + 1]! - from !== length) return false;
    // From the end: addresses differ there.
    for (let i = length - 1; i >= 0; i--) {
      if (this.#bytes[from + i] !== bytes[start + i]) return false;
    }
    return true;
  }

  #index(): Map<string, number> {
    const index = new Map<string, number>();
    for (let i = 0; i < this.#hosts.length; i++) {
      const [start, end] = [this.#ranges[2 * i], this.#ranges[2 * i + 1]];
      index.set(this.#bytes.toString('latin1', start, end), i);
    }
    return index;
  }
}
