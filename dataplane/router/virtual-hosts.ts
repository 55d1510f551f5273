// Which virtual host a request belongs to: exact domain, else the longest `*suffix`, else the longest
// `prefix*`, else `*`.

/** Domains of one wildcard direction by the length of their fixed part, longest first. */
interface WildcardLength<T> {
  readonly length: number;
  readonly hosts: Map<string, T>;
}

/** One per route configuration. Domains are lower-case; config refused duplicates. */
export class VirtualHosts<T> {
  readonly #exact = new Map<string, T>();
  readonly #suffixes: WildcardLength<T>[] = [];
  readonly #prefixes: WildcardLength<T>[] = [];
  #any: T | null = null;
  readonly #ignorePort: boolean;

  constructor(ignorePort: boolean) {
    this.#ignorePort = ignorePort;
  }

  add(domain: string, host: T): void {
    if (domain === '*') this.#any = host;
    else if (domain.startsWith('*')) addWildcard(this.#suffixes, domain.slice(1), host);
    else if (domain.endsWith('*')) addWildcard(this.#prefixes, domain.slice(0, -1), host);
    else this.#exact.set(domain, host);
  }

  /** Undoes an `add`, unless another host has taken the domain since. */
  remove(domain: string, host: T): void {
    if (domain === '*') {
      if (this.#any === host) this.#any = null;
    } else if (domain.startsWith('*')) removeWildcard(this.#suffixes, domain.slice(1), host);
    else if (domain.endsWith('*')) removeWildcard(this.#prefixes, domain.slice(0, -1), host);
    else if (this.#exact.get(domain) === host) this.#exact.delete(domain);
  }

  /** Null = none. An empty authority is only served when `*` is all there is. */
  find(authority: string): T | null {
    const { length: suffixLengths } = this.#suffixes;
    if (this.#exact.size === 0 && suffixLengths === 0 && this.#prefixes.length === 0) {
      return this.#any;
    }
    if (authority === '') return null;
    const named = this.#ignorePort ? withoutPort(authority) : authority;
    const host = named.toLowerCase();
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    for (let i = 0; i < suffixLengths; i++) {
      const { length, hosts } = this.#suffixes[i]!;
      // The wildcard stands for at least one character.
      if (length >= host.length) continue;
      const found = hosts.get(host.slice(host.length - length));
      if (found !== undefined) return found;
    }
    for (let i = 0; i < this.#prefixes.length; i++) {
      const { length, hosts } = this.#prefixes[i]!;
      if (length >= host.length) continue;
      const found = hosts.get(host.slice(0, length));
      if (found !== undefined) return found;
    }
    return this.#any;
  }
}

function addWildcard<T>(lengths: WildcardLength<T>[], fixed: string, host: T): void {
  let entry = lengths.find(({ length }) => length === fixed.length);
  if (entry === undefined) {
    entry = { length: fixed.length, hosts: new Map() };
    lengths.push(entry);
    lengths.sort((a, b) => b.length - a.length);
  }
  entry.hosts.set(fixed, host);
}

function removeWildcard<T>(lengths: WildcardLength<T>[], fixed: string, host: T): void {
  const at = lengths.findIndex(({ length }) => length === fixed.length);
  const entry = lengths[at];
  if (entry === undefined || entry.hosts.get(fixed) !== host) return;
  entry.hosts.delete(fixed);
  if (entry.hosts.size === 0) lengths.splice(at, 1);
}

const PORT = /:[0-9]+$/;

/** `a.b:80` -> `a.b`, `[::1]:80` -> `[::1]`. */
function withoutPort(authority: string): string {
  return authority.replace(PORT, '');
}
