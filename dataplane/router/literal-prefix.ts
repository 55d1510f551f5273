// The text that every match of a pattern must begin with, so that regex routes can hang in the path tree.
// Errs on the short side: '' is always right.

/** Characters that mean something outside a class. */
const META = /[.*+?()[\]{}|^$\\]/;
const QUANTIFIER = /[*+?{]/;

/** `/users/[0-9]+` -> `/users/`; RE2 syntax, matched against the whole path. */
export function literalPrefix(pattern: string): string {
  // An alternative anywhere may be one of the whole pattern; flags `(?i)` begin with a parenthesis.
  if (pattern.includes('|')) return '';
  let prefix = '';
  let at = pattern.startsWith('^') ? 1 : 0;
  while (at < pattern.length) {
    let char = pattern[at]!;
    let next = at + 1;
    if (char === '\\') {
      const escaped = pattern[next] ?? '';
      // `\d`, `\Q`, `\x41`, ... are not themselves; punctuation is.
      if (escaped === '' || /[0-9A-Za-z]/.test(escaped)) break;
      char = escaped;
      next++;
    } else if (META.test(char)) {
      break;
    }
    const follower = pattern[next] ?? '';
    if (QUANTIFIER.test(follower)) break;
    prefix += char;
    at = next;
  }
  return prefix;
}
