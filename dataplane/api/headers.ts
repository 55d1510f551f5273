// Header containers: the flat list is what codecs read and write, the classes add the fields that
// HTTP/1 has in its start line and HTTP/2 in pseudo headers.
//
//   fields: [name0, value0, name1, value1, ...]   names lower-case, values latin1, no pseudo headers,
//                                                  order as received; `host` is `authority`, not in the list
//
// Owned by the stream: filters may change it in place between decode and encode, nobody keeps it after.

/** A flat list, see above. */
export type HeaderFields = string[];

/** Trailers are a plain flat list. */
export type Trailers = HeaderFields;

/** Index of the name of the first field called `name` (lower-case), or -1. */
export function findField(fields: HeaderFields, name: string): number {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return i;
  return -1;
}

/** First value of `name`, or null. */
export function getField(fields: HeaderFields, name: string): string | null {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1]!;
  return null;
}

/** All values of `name` joined by ',' as Envoy's matchers and log operators see them, or null. */
export function getJoinedField(fields: HeaderFields, name: string): string | null {
  let joined: string | null = null;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === name)
      joined = joined === null ? fields[i + 1]! : `${joined},${fields[i + 1]!}`;
  }
  return joined;
}

/** Replaces the first field's value and drops later ones, or appends. */
export function setField(fields: HeaderFields, name: string, value: string): void {
  const at = findField(fields, name);
  if (at === -1) {
    fields.push(name, value);
    return;
  }
  fields[at + 1] = value;
  for (let i = at + 2; i < fields.length; ) {
    if (fields[i] === name) fields.splice(i, 2);
    else i += 2;
  }
}

/** Removes every field called `name`; returns how many there were. */
export function removeField(fields: HeaderFields, name: string): number {
  let kept = 0;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === name) continue;
    if (kept !== i) {
      fields[kept] = fields[i]!;
      fields[kept + 1] = fields[i + 1]!;
    }
    kept += 2;
  }
  const removed = (fields.length - kept) / 2;
  if (removed > 0) fields.length = kept;
  return removed;
}

/**
 * How a peer spelled the names of its head; the codec that writes it spells them so again. Made only where a
 * header_key_format asks for it (Envoy: preserve_case); never changed after that.
 */
export interface HeaderSpelling {
  /** Lower-case name -> as first spelled. */
  readonly names: ReadonlyMap<string, string>;
  /** Names that are not in `names`: `X-Request-Id` instead of `x-request-id`. */
  readonly isOtherwiseProper: boolean;
  /** Of a response, '' = the standard one. */
  readonly reasonPhrase: string;
}

/** A request's head. `get` and `set` also take the pseudo names `:method`, `:path`, `:authority`, `:scheme`. */
export class RequestHeaders {
  method: string;
  /** As on the wire, query included: `/a?b=c`; `*` for OPTIONS *; '' for CONNECT. */
  path: string;
  /** From Host or :authority; '' when HTTP/1.0 sent none. */
  authority: string;
  scheme: string;
  fields: HeaderFields;
  /** Null = lower-case, or what the codec's header_key_format says. */
  spelling: HeaderSpelling | null;
  /** Names of fields that came as never-indexed and go on so (RFC 7541 7.1.3); null = none. */
  neverIndexed: readonly string[] | null;

  constructor(
    method: string,
    path: string,
    authority: string,
    scheme: string,
    fields: HeaderFields,
  ) {
    this.method = method;
    this.path = path;
    this.authority = authority;
    this.scheme = scheme;
    this.fields = fields;
    this.spelling = null;
    this.neverIndexed = null;
  }

  get(name: string): string | null {
    if (name.charCodeAt(0) === 0x3a) {
      switch (name) {
        case ':method':
          return this.method;
        case ':path':
          return this.path === '' ? null : this.path;
        case ':authority':
          return this.authority === '' ? null : this.authority;
        case ':scheme':
          return this.scheme;
        default:
          return null;
      }
    }
    if (name === 'host') return this.authority === '' ? null : this.authority;
    return getJoinedField(this.fields, name);
  }

  set(name: string, value: string): void {
    if (name.charCodeAt(0) === 0x3a || name === 'host') {
      switch (name) {
        case ':method':
          this.method = value;
          return;
        case ':path':
          this.path = value;
          return;
        case ':scheme':
          this.scheme = value;
          return;
        default:
          this.authority = value;
          return;
      }
    }
    setField(this.fields, name, value);
  }

  remove(name: string): void {
    removeField(this.fields, name);
  }
}

/** A response's head. `get(':status')` gives the status as text. */
export class ResponseHeaders {
  status: number;
  fields: HeaderFields;
  /** Null = lower-case, or what the codec's header_key_format says. */
  spelling: HeaderSpelling | null;
  /** Names of fields that came as never-indexed and go on so (RFC 7541 7.1.3); null = none. */
  neverIndexed: readonly string[] | null;

  constructor(status: number, fields: HeaderFields) {
    this.status = status;
    this.fields = fields;
    this.spelling = null;
    this.neverIndexed = null;
  }

  get(name: string): string | null {
    return name === ':status' ? String(this.status) : getJoinedField(this.fields, name);
  }

  set(name: string, value: string): void {
    if (name === ':status') this.status = Number(value);
    else setField(this.fields, name, value);
  }

  remove(name: string): void {
    removeField(this.fields, name);
  }
}
