// Regular expressions that an admin user types: RE2 (linear time), found anywhere in the text.

import { loadRe2 } from '../../../common/re2.ts';

export interface FilterRegex {
  find(text: string): boolean;
}

export function compileRe2(pattern: string): FilterRegex | 'invalid' {
  try {
    const regex = loadRe2().compile(pattern);
    return { find: (text) => regex.matcher(text).find() };
  } catch {
    return 'invalid'; // the caller answers 400
  }
}
