// Which types ECDS resources may have: whoever refers to one says so. A resource of another type is refused before it is
// accepted, as in Envoy. A listener's demands last until another version of it is accepted.

import { resourceId } from '../api/config/config-source.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';

export class TypeDemands {
  /** By who refers: types by id. */
  readonly #byOwner = new Map<string, ReadonlyMap<string, readonly string[]>>();

  /** `owner`: the listener; '' = the bootstrap. */
  set(owner: string, references: readonly ResourceReference[]): void {
    const demands = new Map<string, readonly string[]>();
    for (const { kind, name, source, typeNames = [] } of references) {
      if (kind === 'extension-config') demands.set(resourceId(name, source), typeNames);
    }
    if (demands.size === 0) this.#byOwner.delete(owner);
    else this.#byOwner.set(owner, demands);
  }

  /** A list from each who refers to it. */
  of(id: string): readonly (readonly string[])[] {
    const all: (readonly string[])[] = [];
    for (const demands of this.#byOwner.values()) {
      const types = demands.get(id);
      if (types !== undefined) all.push(types);
    }
    return all;
  }
}
