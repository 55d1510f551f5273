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
import { checkSupport } from './support-check.ts';

const ENDPOINT = 'envoy.config.endpoint.v3.LbEndpoint';
const CLUSTER_NAME_TAG = (1 << 3) | 2;
const ENDPOINTS_TAG = (2 << 3) | 2;
const LB_ENDPOINTS_TAG = (2 << 3) | 2;
const FIRST_PRUNE = 1024;

/** An encoded assignment, taken apart. */
interface SplitAssignment {
  /** '' = it has none. */
  readonly name: string;
  /** The same assignment without lb_endpoints. */
  readonly rest: Uint8Array;
  readonly bytes: Buffer;
  /** By locality, in order: begin and end in `bytes` of each lb_endpoint. */
  readonly localities: readonly (readonly number[])[];
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
  readonly #bytesOf = new WeakMap<LoadAssignment, Uint8Array>();
  #pruneAt = FIRST_PRUNE;

  /** `assignment` was compiled from these bytes. */
  hold(assignment: LoadAssignment, bytes: Uint8Array): void {
    this.#bytesOf.set(assignment, bytes);
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
    if (split === null) return null;
    const held = this.#byId.get(idOf(split.name))?.deref();
    const known = new KnownHosts(held ?? null, held && this.#bytesOf.get(held));
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
  const localities: number[][] = [];
  let name = '';
  try {
    while (reader.pos < reader.len) {
      const start = reader.pos;
      const tag = reader.uint32();
      if (tag === ENDPOINTS_TAG) {
        const inner: Uint8Array[] = [];
        localities.push(splitLocality(bytes, reader, endOfField(reader), inner));
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
  return { name, rest: Buffer.concat(rest), bytes, localities };
}

/** Where the length-delimited field at the reader ends; throws when that is beyond the end. */
function endOfField(reader: protobuf.Reader): number {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError('a field is longer than its message');
  return end;
}

/** Returns where its endpoints are; all other fields go to `rest`. */
function splitLocality(
  bytes: Buffer,
  reader: protobuf.Reader,
  end: number,
  rest: Uint8Array[],
): number[] {
  const ranges: number[] = [];
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
  return ranges;
}

/** By locality; null = some endpoint is wrong, or has what nobody knows. */
function compileEndpoints(
  split: SplitAssignment,
  known: KnownHosts,
  compilation: Compilation,
): readonly (readonly HostConfig[])[] | null {
  const localities: HostConfig[][] = [];
  for (const ranges of split.localities) {
    const hosts: HostConfig[] = [];
    for (let i = 0; i < ranges.length; i += 2) {
      const [start, end] = [ranges[i]!, ranges[i + 1]!];
      const host =
        known.take(split.bytes, start, end) ??
        compileEndpoint(split.bytes.subarray(start, end), compilation);
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
  readonly #ranges: readonly number[];
  readonly #hosts: readonly HostConfig[];
  /** Of the next that is expected: mostly all come in the same order. */
  #next = 0;
  /** By bytes, from the first on that was not the expected one. */
  #byBytes: Map<string, number> | null = null;

  constructor(held: LoadAssignment | null, bytes: Uint8Array | undefined) {
    const split = bytes === undefined ? null : splitAssignment(bytes);
    this.#bytes = split?.bytes ?? Buffer.alloc(0);
    this.#hosts = held?.localities.flatMap(({ hosts }) => hosts) ?? [];
    const ranges = split?.localities.flat() ?? [];
    // Not so when hosts came from elsewhere.
    this.#ranges = ranges.length === 2 * this.#hosts.length ? ranges : [];
  }

  /** Null = there was none of these bytes. */
  take(bytes: Buffer, start: number, end: number): HostConfig | null {
    if (this.#ranges.length === 0) return null;
    if (this.#isNext(bytes, start, end)) return this.#hosts[this.#next++]!;
    this.#byBytes ??= this.#index();
    const at = this.#byBytes.get(bytes.toString('latin1', start, end));
    if (at === undefined) return null;
    // Behind it the order is mostly the same again.
    this.#next = at + 1;
    return this.#hosts[at]!;
  }

  #isNext(bytes: Buffer, start: number, end: number): boolean {
    const at = this.#next * 2;
    if (at >= this.#ranges.length) return false;
    const [from, to] = [this.#ranges[at]!, this.#ranges[at + 1]!];
    return to - from === end - start && this.#bytes.compare(bytes, start, end, from, to) === 0;
  }

  #index(): Map<string, number> {
    const index = new Map<string, number>();
    for (let i = 0; i < this.#hosts.length; i++) {
      index.set(this.#bytes.toString('latin1', this.#ranges[2 * i], this.#ranges[2 * i + 1]), i);
    }
    return index;
  }
}
