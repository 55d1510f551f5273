// request_/response_headers_to_add/_to_remove of one level (weighted cluster, route, virtual host, route
// configuration, health check), compiled: values are formats. As in Envoy, a level first removes, then works out all
// its values, then applies.

import type { LogContext } from '../api/access-log.ts';
import { type HeaderFields, removeField } from '../api/headers.ts';
import type { HeaderMutationData, HeaderMutationsData } from '../api/matcher-data.ts';
import { applyHeaderOption } from '../http/append-header.ts';
import { compileFormat } from './formatter.ts';
import type { TextFormatter } from './text-formatter.ts';

interface Addition {
  readonly option: HeaderMutationData;
  readonly value: TextFormatter;
}

/** Overwriting ones come before adding ones, which is the order in which Envoy applies them. */
function isOverwriting({ action }: HeaderMutationData): boolean {
  return action === 'OVERWRITE_IF_EXISTS_OR_ADD' || action === 'OVERWRITE_IF_EXISTS';
}

/** Values of the level being applied; used by one call at a time, so that a request allocates none. */
const values: string[] = [];

/** Immutable; shared by all requests. */
export class HeaderMutations {
  readonly #remove: readonly string[];
  readonly #additions: readonly Addition[];

  constructor(data: HeaderMutationsData) {
    this.#remove = data.remove;
    const additions = data.add.map((option) => ({ option, value: compileFormat(option.value) }));
    this.#additions = [
      ...additions.filter(({ option }) => isOverwriting(option)),
      ...additions.filter(({ option }) => !isOverwriting(option)),
    ];
  }

  apply(fields: HeaderFields, context: LogContext): void {
    for (let i = 0; i < this.#remove.length; i++) removeField(fields, this.#remove[i]!);
    const additions = this.#additions;
    for (let i = 0; i < additions.length; i++) values[i] = additions[i]!.value.format(context);
    for (let i = 0; i < additions.length; i++) {
      applyHeaderOption(fields, additions[i]!.option, values[i]!);
    }
  }
}

/** Levels that change something, in the order in which they are applied. */
export function compileLevels(
  levels: readonly (HeaderMutations | null)[],
  mostSpecificWins: boolean,
): readonly HeaderMutations[] {
  const present = levels.filter((level) => level !== null);
  if (present.length === 0) return noLevels;
  // Given most specific first; the later one has the last word.
  return mostSpecificWins ? present.reverse() : present;
}

const noLevels: readonly HeaderMutations[] = [];

/** Null when there is nothing to do. */
export function compileMutations(data: HeaderMutationsData): HeaderMutations | null {
  return data.add.length === 0 && data.remove.length === 0 ? null : new HeaderMutations(data);
}
