// Compiles the resources of one response and takes the good ones: the bad ones of the same response harm
// only themselves (gRFC A46, A88). The text it returns goes verbatim into the NACK.

import { formatFieldError } from '../../common/result.ts';
import type { ResourceBytes } from '../../proto/discovery.ts';
import type { ConfigSource } from '../api/config/config-source.ts';
import {
  type CompiledResource,
  type ResourceCompiler,
  type ResourceKind,
  typeUrlOf,
} from '../api/resource-compiler.ts';
import type { Update } from './resource-source.ts';
import type { ResourceStore } from './resource-store.ts';

export interface TakenUpdate {
  /** New and changed ones. */
  readonly changed: readonly CompiledResource[];
  /** Names that the response holds, good or bad. */
  readonly present: ReadonlySet<string>;
  /** Names of the bad ones among them. */
  readonly rejected: ReadonlySet<string>;
  /** Some resource was so broken that not even its name is known: absence proves nothing then. */
  readonly hasNameless: boolean;
  /** One line per bad resource; empty = ACK. */
  readonly problems: readonly string[];
  /** Unknown fields and the like, per resource. */
  readonly warnings: readonly string[];
}

export interface UpdateContext {
  readonly kind: ResourceKind;
  readonly source: ConfigSource;
  readonly compiler: ResourceCompiler;
  readonly store: ResourceStore;
  /** See Update. */
  readonly broken: NonNullable<Update['broken']>;
  /** Resources that nobody asked for are left out, as servers may send them. */
  readonly wants: (name: string) => boolean;
  /** Of the response: names that are gone; null = those that it does not hold. */
  readonly removed: ReadonlySet<string> | null;
  /** Wall clock, ms. */
  readonly nowMs: number;
}

interface Candidate {
  readonly name: string;
  readonly version: string;
  readonly bytes: Uint8Array;
  readonly compiled: CompiledResource | null;
  readonly details: string;
}

const none = new Uint8Array();

export function takeUpdate(
  resources: readonly ResourceBytes[],
  context: UpdateContext,
): TakenUpdate {
  const { kind, store, nowMs } = context;
  const candidates = new Map<string, Candidate>();
  const duplicates = new Set<string>();
  const problems: string[] = [];
  let hasNameless = false;
  const broken = context.broken.map((one) => ({
    ...one,
    version: '',
    bytes: none,
    compiled: null,
  }));
  // Of resources with a time to live: they are there as they were.
  const heartbeats = resources.filter((one) => isHeartbeat(one, store, kind));
  const news = resources.filter((one) => !heartbeats.includes(one));
  for (const candidate of [...news.map((one) => compile(one, context)), ...broken]) {
    const { name, details } = candidate;
    if (name === '') {
      hasNameless = true;
      problems.push(`${kind}: ${details}`);
    } else if (candidates.has(name)) {
      duplicates.add(name);
    } else {
      candidates.set(name, candidate);
    }
  }
  const claims = new ClaimBook(candidates, context);
  const changed: CompiledResource[] = [];
  const rejected = new Set<string>();
  const warnings: string[] = [];
  for (const { name, version, bytes, compiled, details: wrong } of candidates.values()) {
    const conflict = compiled === null || wrong !== '' ? '' : claims.conflictOf(compiled);
    const details = duplicates.has(name) ? 'is in the response more than once' : wrong || conflict;
    if (details !== '' || compiled === null) {
      rejected.add(name);
      problems.push(`${kind} ${JSON.stringify(name)}: ${details}`);
      if (context.wants(name)) store.reject(kind, name, { bytes, version, details, atMs: nowMs });
    } else if (context.wants(name)) {
      const before = store.get(kind, name)?.compiled;
      store.accept(compiled, bytes, version, nowMs);
      if (before?.hash !== compiled.hash) changed.push(compiled);
      for (const warning of compiled.warnings) {
        warnings.push(`${kind} ${JSON.stringify(name)}: ${formatFieldError(warning)}`);
      }
    }
  }
  return {
    changed,
    present: new Set([...candidates.keys(), ...heartbeats.map(({ name }) => name)]),
    rejected,
    hasNameless,
    problems,
    warnings,
  };
}

/** Finds what two resources may not have both, among those of one response and those that are held. */
class ClaimBook {
  readonly #candidates: ReadonlyMap<string, Candidate>;
  readonly #context: UpdateContext;
  /** By claim: who of the response has it. */
  readonly #made = new Map<string, string>();

  constructor(candidates: ReadonlyMap<string, Candidate>, context: UpdateContext) {
    this.#candidates = candidates;
    this.#context = context;
  }

  /** '' = none, and the claims are its own now. */
  conflictOf({ name, claims = [] }: CompiledResource): string {
    for (const { key, problem } of claims) {
      const first = this.#made.get(key) ?? this.#holder(key, name);
      if (first !== null) return `${problem} ${JSON.stringify(first)}`;
    }
    for (const { key } of claims) this.#made.set(key, name);
    return '';
  }

  /** Of those that are held, and stay as they are; null = none. */
  #holder(key: string, name: string): string | null {
    const { kind, store, removed } = this.#context;
    const owner = store.ownerOf(key);
    if (owner === undefined) return null;
    if (owner.kind !== kind) return owner.name;
    if (owner.name === name) return null;
    const isReplaced = this.#candidates.get(owner.name)?.compiled != null;
    const isGone = removed === null || removed.has(owner.name);
    return isReplaced || isGone ? null : owner.name;
  }
}

function isHeartbeat(
  { name, resource }: ResourceBytes,
  store: ResourceStore,
  kind: ResourceKind,
): boolean {
  return resource === null && name !== '' && store.get(kind, name)?.compiled != null;
}

function compile(incoming: ResourceBytes, context: UpdateContext): Candidate {
  const { kind, source, compiler, store } = context;
  const { name, version, resource } = incoming;
  if (resource === null) {
    const details = 'has no content, and none is held under that name';
    return { name, version, bytes: new Uint8Array(), compiled: null, details };
  }
  const bytes = resource.value;
  const failed = (of: string, details: string): Candidate => {
    return { name: of, version, bytes, compiled: null, details };
  };
  if (resource.typeUrl !== typeUrlOf[kind]) {
    return failed(name, `has type URL ${JSON.stringify(resource.typeUrl.slice(0, 200))}`);
  }
  const held = name === '' ? store.withContent(kind, bytes) : store.get(kind, name);
  if (held?.compiled && equalBytes(held.bytes, bytes)) {
    return { name: held.name, version, bytes: held.bytes, compiled: held.compiled, details: '' };
  }
  const outcome = compiler.compile(kind, bytes, source, name);
  if (!outcome.ok) {
    return failed(name || outcome.name, outcome.errors.map(formatFieldError).join(', '));
  }
  const compiled = outcome.resource;
  if (name !== '' && name !== compiled.name) {
    return failed(name, `is named ${JSON.stringify(compiled.name)} inside`);
  }
  return { name: compiled.name, version, bytes, compiled, details: '' };
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** A gRPC message of it must fit anywhere, also in an admin page. */
const NACK_LENGTH = 16 * 1024;

/** All problems in one text, shortened by whole resources. */
export function nackText(problems: readonly string[]): string {
  const kept: string[] = [];
  let length = 0;
  for (const problem of problems) {
    length += problem.length + 2;
    if (kept.length > 0 && length > NACK_LENGTH) break;
    kept.push(problem.slice(0, NACK_LENGTH));
  }
  const more = problems.length - kept.length;
  return kept.join('; ') + (more === 0 ? '' : `; and ${more} more`);
}
