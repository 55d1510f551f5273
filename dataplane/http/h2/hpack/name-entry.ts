// What an encoder knows of each header name: facts of the name, and what it last did with it. Used by the encoder only.

import { STATIC_NAMES, STATIC_VALUES } from './static-table.ts';

/** How a field is written, by its name. */
export const NameKind = {
  Plain: 0,
  /** Never indexed: a table that several users share tells them about each other's secrets (RFC 7541 7.1). */
  Secret: 1,
  /** Never indexed when it is short enough to be guessed (20 bytes, as nghttp2 has it). */
  Cookie: 2,
  /** Belongs to one connection of HTTP/1 (RFC 9113 8.2.2): not written. */
  Connection: 3,
  /** Only `trailers` is written (RFC 9113 8.2.2). */
  Te: 4,
} as const;
export type NameKind = (typeof NameKind)[keyof typeof NameKind];

const kinds = new Map<string, NameKind>([
  ['authorization', NameKind.Secret],
  ['proxy-authorization', NameKind.Secret],
  ['cookie', NameKind.Cookie],
  ['connection', NameKind.Connection],
  ['host', NameKind.Connection],
  ['http2-settings', NameKind.Connection],
  ['keep-alive', NameKind.Connection],
  ['proxy-connection', NameKind.Connection],
  ['transfer-encoding', NameKind.Connection],
  ['upgrade', NameKind.Connection],
  ['te', NameKind.Te],
]);

interface StaticFields {
  /** Index of the first field with the name. */
  readonly index: number;
  /** Values of that and the following indices; empty where the table has a name only. */
  readonly values: readonly string[];
}

const noStatic: StaticFields = { index: 0, values: [] };
const statics = new Map<string, StaticFields>();
for (let index = 1; index < STATIC_NAMES.length; index++) {
  const name = STATIC_NAMES[index]!;
  if (statics.has(name)) continue;
  const values: string[] = [];
  for (let i = index; STATIC_NAMES[i] === name && STATIC_VALUES[i] !== ''; i++) {
    values.push(STATIC_VALUES[i]!);
  }
  statics.set(name, { index, values });
}

/**
 * What a name has to spend on entries of the table: a new entry costs, a field that was found earns, and one that was
 * neither found nor given an entry earns a little, so that a name whose values begin to repeat is noticed.
 */
export const MAX_CREDIT = 128;
export const INSERT_COST = 32;
export const HIT_CREDIT = 8;
export const MISS_CREDIT = 1;

/** Of one encoder. Keeps no values: those are in the ring of the encoder, and go when they are evicted. */
export class NameEntry {
  readonly name: string;
  readonly kind: NameKind;
  /** 0 = the name is not in the static table. */
  readonly staticIndex: number;
  readonly staticValues: readonly string[];
  /** Where the field written last as an index is: the number of an entry, or -static index; 0 = none. */
  lastFound = 0;
  /** Number of the newest entry with this name, perhaps evicted since; 0 = none. */
  newestEntry = 0;
  credit = MAX_CREDIT;

  constructor(name: string) {
    this.name = name;
    this.kind = kinds.get(name) ?? NameKind.Plain;
    const { index, values } = statics.get(name) ?? noStatic;
    this.staticIndex = index;
    this.staticValues = values;
  }
}
