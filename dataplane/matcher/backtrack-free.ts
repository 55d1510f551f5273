// Decides whether a RE2 pattern may run on V8's backtracking engine: only when a full match of any text
// takes time linear in its length and both engines agree on the meaning. Called once per pattern, at
// config time, by regex.ts. It must err on the side of "no": RE2's automaton is always right.
//
// What is accepted, as one sequence of elements after groups without alternatives are inlined:
//   single character sets (literal, ., [...], \d \w), each with an optional ? * + {n} {n,} {n,m}
//   groups of alternatives that hold only unquantified sets: (get|set)
// and, for every * or + but the last: what follows is mandatory and begins with a set disjoint from the
// repeated one, so that there is exactly one place to stop repeating.

/** Sets are over latin-1 code units, which is all that header text can hold. */
type CharSet = Uint8Array;

interface Element {
  /** What the element can begin with. */
  readonly first: CharSet;
  readonly min: number;
  readonly max: number;
  /** In how many ways a bounded element can match. */
  readonly choices: number;
}

/** More combinations than this are left to RE2. */
const MAX_CHOICES = 64;
const MAX_PATTERN_LENGTH = 1000;

/** True when `^(?:pattern)$` as a JavaScript RegExp is linear and means what RE2 means. */
export function isBacktrackFree(pattern: string): boolean {
  if (pattern.length > MAX_PATTERN_LENGTH) return false;
  const parser = new Parser(pattern);
  const elements = parser.sequence(0);
  if (elements === null || parser.at !== pattern.length) return false;
  return isDeterministic(elements);
}

function isDeterministic(elements: readonly Element[]): boolean {
  let choices = 1;
  for (const element of elements) choices *= element.choices;
  if (choices > MAX_CHOICES) return false;
  let last = elements.length - 1;
  // A closing `.*` takes whatever is left and cannot fail: it never sends the engine back.
  if (last >= 0 && elements[last]!.max === Infinity && isEverything(elements[last]!.first)) last--;
  while (last >= 0 && elements[last]!.max !== Infinity) last--;
  // `last` may run freely: giving back one character at a time costs one bounded attempt each.
  for (let i = 0; i < last; i++) {
    const element = elements[i]!;
    if (element.max !== Infinity) continue;
    const next = elements[i + 1]!;
    if (next.min === 0 || intersects(element.first, next.first)) return false;
  }
  return true;
}

class Parser {
  readonly #text: string;
  at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Null = outside the accepted language. `depth` > 0 stops at ')' or '|'. */
  sequence(depth: number): Element[] | null {
    if (depth > 8) return null;
    const text = this.#text;
    const elements: Element[] = [];
    if (depth === 0 && text[this.at] === '^') this.at++;
    while (this.at < text.length) {
      const char = text[this.at]!;
      if (depth > 0 && (char === ')' || char === '|')) break;
      if (char === '$') {
        // Only as the very last character, where it adds nothing to a full match.
        if (depth > 0 || this.at !== text.length - 1) return null;
        this.at++;
        break;
      }
      if (char === '(') {
        const group = this.#group(depth);
        if (group === null) return null;
        elements.push(...group);
        continue;
      }
      const set = this.#set();
      if (set === null) return null;
      const element = this.#quantified(set);
      if (element === null) return null;
      elements.push(element);
    }
    return elements;
  }

  #group(depth: number): Element[] | null {
    this.at++;
    if (this.#text[this.at] === '?') {
      if (this.#text[this.at + 1] !== ':') return null;
      this.at += 2;
    }
    const branches: Element[][] = [];
    for (;;) {
      const branch = this.sequence(depth + 1);
      if (branch === null) return null;
      branches.push(branch);
      const char = this.#text[this.at];
      this.at++;
      if (char === ')') break;
      if (char !== '|') return null;
    }
    if (isQuantifier(this.#text[this.at])) return null;
    if (branches.length === 1) return branches[0]!;
    const first = new Uint8Array(256);
    let choices = branches.length;
    for (const branch of branches) {
      if (branch.length === 0) return null;
      for (const element of branch) {
        if (element.min !== 1 || element.max !== 1) return null;
        choices *= element.choices;
      }
      for (let i = 0; i < 256; i++) if (branch[0]!.first[i] === 1) first[i] = 1;
    }
    return [{ first, min: 1, max: 1, choices }];
  }

  #quantified(first: CharSet): Element | null {
    const text = this.#text;
    let min = 1;
    let max = 1;
    const char = text[this.at];
    if (char === '*' || char === '+' || char === '?') {
      this.at++;
      min = char === '+' ? 1 : 0;
      max = char === '?' ? 1 : Infinity;
    } else if (char === '{') {
      const counts = /^\{(\d{1,3})(,(\d{0,3}))?\}/.exec(text.slice(this.at, this.at + 9));
      if (counts === null) return null;
      this.at += counts[0].length;
      min = Number(counts[1]);
      max = counts[2] === undefined ? min : counts[3] === '' ? Infinity : Number(counts[3]);
      if (max < min) return null;
    } else {
      return { first, min, max, choices: 1 };
    }
    // Lazy and stacked quantifiers: same language or an error; leave them to RE2.
    if (isQuantifier(text[this.at])) return null;
    return { first, min, max, choices: max === Infinity ? 1 : max - min + 1 };
  }

  #set(): CharSet | null {
    const char = this.#text[this.at]!;
    this.at++;
    if (char === '.') return without('\n');
    if (char === '[') return this.#class();
    if (char === '\\') return this.#escape();
    if ('*+?{}|)^]'.includes(char)) return null;
    return single(char);
  }

  #escape(): CharSet | null {
    const char = this.#text[this.at];
    this.at++;
    if (char === undefined) return null;
    if (char === 'd') return ranges('09');
    if (char === 'w') return ranges('09', 'AZ', 'az', '__');
    // Escaped punctuation is itself; \s, \b, \pN, \Q, back references differ or are refused.
    return /[!-/:-@[-`{-~]/.test(char) && char !== '_' ? single(char) : null;
  }

  #class(): CharSet | null {
    const text = this.#text;
    const set = new Uint8Array(256);
    const negated = text[this.at] === '^';
    if (negated) this.at++;
    let isFirst = true;
    for (;;) {
      const low = text[this.at];
      if (low === undefined || low === '[') return null;
      // RE2 takes a leading ']' as a literal, JavaScript as the end.
      if (low === ']') {
        if (isFirst) return null;
        this.at++;
        break;
      }
      isFirst = false;
      this.at++;
      let part: CharSet | null = low === '\\' ? this.#escape() : single(low);
      if (part === null) return null;
      if (text[this.at] === '-' && text[this.at + 1] !== ']') {
        const high = text[this.at + 1];
        if (low === '\\' || high === undefined || high === '\\' || high === '[') return null;
        if (high < low || high.charCodeAt(0) > 0x7e) return null;
        this.at += 2;
        part = ranges(low + high);
      }
      for (let i = 0; i < 256; i++) if (part[i] === 1) set[i] = 1;
    }
    if (!negated) return set;
    const rest = new Uint8Array(256);
    for (let i = 0; i < 256; i++) rest[i] = set[i] === 1 ? 0 : 1;
    return rest;
  }
}

function isQuantifier(char: string | undefined): boolean {
  return char === '*' || char === '+' || char === '?' || char === '{';
}

/** Null for anything but printable ASCII: elsewhere bytes and characters part ways. */
function single(char: string): CharSet | null {
  const code = char.charCodeAt(0);
  return code >= 0x20 && code <= 0x7e ? ranges(char + char) : null;
}

/** Each argument is two characters: lowest and highest. */
function ranges(...pairs: readonly string[]): CharSet {
  const set = new Uint8Array(256);
  for (const pair of pairs) set.fill(1, pair.charCodeAt(0), pair.charCodeAt(1) + 1);
  return set;
}

function without(char: string): CharSet {
  const set = new Uint8Array(256).fill(1);
  set[char.charCodeAt(0)] = 0;
  return set;
}

function isEverything(set: CharSet): boolean {
  for (let i = 0; i < 256; i++) if (set[i] === 0 && i !== 0x0a) return false;
  return true;
}

function intersects(a: CharSet, b: CharSet): boolean {
  for (let i = 0; i < 256; i++) if (a[i] === 1 && b[i] === 1) return true;
  return false;
}
