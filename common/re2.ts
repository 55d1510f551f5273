// RE2 by re2js, loaded at the first pattern that needs it: it is large (some 2 MiB) and most configs need none.

import { createRequire } from 'node:module';
import type { RE2JS } from 're2js';

const require = createRequire(import.meta.url);
let loaded: typeof RE2JS | null = null;

/** The RE2JS class. */
export function loadRe2(): typeof RE2JS {
  // The require of an ES module gives its namespace, whose shape is the module's own type.
  loaded ??= (require('re2js') as { RE2JS: typeof RE2JS }).RE2JS;
  return loaded;
}
