// The rule that HTTP and network filter chains share: exactly the last filter is terminal.

import type { Category, ExtensionData } from '../api/factory.ts';
import type { Compilation } from './compilation.ts';

/** `paths[i]` is where `filters[i]` was configured; `listPath` is the list's own path. */
export function checkTerminal(
  category: Category,
  filters: readonly ExtensionData[],
  paths: readonly string[],
  listPath: string,
  compilation: Compilation,
): void {
  if (filters.length === 0) {
    compilation.fail(listPath, 'must not be empty: the last filter must be a terminal one');
    return;
  }
  for (const [i, { name, extension }] of filters.entries()) {
    const isLast = i === filters.length - 1;
    const isTerminal = compilation.context.isTerminal(category, extension);
    const which = `filter named ${name} of type ${extension}`;
    if (isTerminal && !isLast) {
      compilation.fail(paths[i]!, `terminal ${which} must be the last filter`);
    } else if (!isTerminal && isLast) {
      compilation.fail(paths[i]!, `non-terminal ${which} is the last filter`);
    }
  }
}
