// Regular expressions that an admin user types: RE2 (linear time), found anywhere in the text.

import { RE2JS } from 're2js';

export interface FilterRegex {
  find(text: string): boolean;
}

export function compileRe2(pattern: string): FilterRegex | 'invalid' {
  try {
    const regex = RE2JS.compile(pattern);
    return { find: (text) => regex.matcher(text).find() };
  } catch {
    return 'invalid'; // the caller answers 400
  }
}
