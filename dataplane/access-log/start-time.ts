// Times in log lines (%START_TIME%): strftime patterns with Envoy's fractions of a second, UTC. A pattern is
// split once; what is the same for all lines of one second is kept.

/** Renders one pattern. Not for threads to share: it remembers the last second. */
export interface TimePattern {
  /** `wallMs` = milliseconds since the epoch, possibly with a fraction. */
  format(wallMs: number): string;
}

const pad2 = (n: number): string => (n < 10 ? `0${n}` : String(n));
const pad3 = (n: number): string => String(n).padStart(3, '0');
const dayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const monthNames = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** `2026-01-02T03:04:05.678Z`: Envoy's default, without a pattern to walk. */
class DefaultPattern implements TimePattern {
  #second = -1;
  #prefix = '';

  format(wallMs: number): string {
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#prefix = new Date(second * 1000).toISOString().slice(0, 20);
    }
    return `${this.#prefix}${pad3(Math.floor(wallMs) - second * 1000)}Z`;
  }
}

/** A sub-second part: so many digits of the fraction. */
interface Fraction {
  readonly digits: number;
}

class StrftimePattern implements TimePattern {
  readonly #parts: readonly (string | Fraction)[];
  readonly #rendered: string[] = [];
  #second = -1;

  constructor(parts: readonly (string | Fraction)[]) {
    this.#parts = parts;
  }

  format(wallMs: number): string {
    const second = Math.floor(wallMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      const date = new Date(second * 1000);
      this.#parts.forEach((part, i) => {
        this.#rendered[i] = typeof part === 'string' ? strftime(part, date) : '';
      });
    }
    const nanos = String(Math.round((wallMs - second * 1000) * 1e6)).padStart(9, '0');
    let text = '';
    for (let i = 0; i < this.#parts.length; i++) {
      const part = this.#parts[i]!;
      text += typeof part === 'string' ? this.#rendered[i]! : nanos.slice(0, part.digits);
    }
    return text;
  }
}

/** Conversions that stay the same within a second. */
const conversions: Readonly<Record<string, (date: Date) => string>> = {
  Y: (d) => String(d.getUTCFullYear()),
  y: (d) => pad2(d.getUTCFullYear() % 100),
  m: (d) => pad2(d.getUTCMonth() + 1),
  d: (d) => pad2(d.getUTCDate()),
  e: (d) => String(d.getUTCDate()).padStart(2, ' '),
  H: (d) => pad2(d.getUTCHours()),
  I: (d) => pad2(((d.getUTCHours() + 11) % 12) + 1),
  M: (d) => pad2(d.getUTCMinutes()),
  S: (d) => pad2(d.getUTCSeconds()),
  p: (d) => (d.getUTCHours() < 12 ? 'AM' : 'PM'),
  j: (d) => pad3(dayOfYear(d)),
  a: (d) => dayNames[d.getUTCDay()]!.slice(0, 3),
  A: (d) => dayNames[d.getUTCDay()]!,
  b: (d) => monthNames[d.getUTCMonth()]!.slice(0, 3),
  h: (d) => monthNames[d.getUTCMonth()]!.slice(0, 3),
  B: (d) => monthNames[d.getUTCMonth()]!,
  u: (d) => String(d.getUTCDay() === 0 ? 7 : d.getUTCDay()),
  w: (d) => String(d.getUTCDay()),
  s: (d) => String(Math.floor(d.getTime() / 1000)),
  Z: () => 'UTC',
  z: () => '+0000',
  n: () => '\n',
  t: () => '\t',
  '%': () => '%',
};

/** Conversions that are short for others. */
const composed: Readonly<Record<string, string>> = {
  F: '%Y-%m-%d',
  T: '%H:%M:%S',
  R: '%H:%M',
  D: '%m/%d/%y',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
  c: '%a %b %e %H:%M:%S %Y',
  r: '%I:%M:%S %p',
};

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
}

function strftime(pattern: string, date: Date): string {
  return pattern.replace(/%(.)/g, (_all, letter: string) => conversions[letter]!(date));
}

/**
 * Compiles a pattern; '' = Envoy's default. `%f` is nine digits of the second, `%3f` three, `%E3S` seconds
 * with three. Null when a conversion is unknown.
 */
export function compileTimePattern(pattern: string): TimePattern | null {
  if (pattern === '') return new DefaultPattern();
  // `%%` is matched first everywhere: in `%%3f` there is no fraction.
  const expanded = pattern.replace(
    /%([%FTRDxXcr])/g,
    (all, letter: string) => composed[letter] ?? all,
  );
  const parts: (string | Fraction)[] = [];
  let from = 0;
  let text = '';
  for (const match of expanded.matchAll(/%%|%(?:E([0-9])S|([1-9])?f)/g)) {
    if (match[0] === '%%') continue;
    text += expanded.slice(from, match.index);
    from = match.index + match[0].length;
    if (match[1] !== undefined) text += match[1] === '0' ? '%S' : '%S.';
    const digits = Number(match[1] ?? match[2] ?? 9);
    if (digits === 0) continue;
    if (text !== '') parts.push(text);
    text = '';
    parts.push({ digits });
  }
  text += expanded.slice(from);
  if (text !== '') parts.push(text);
  const isKnown = parts.every((part) => typeof part !== 'string' || hasKnownConversions(part));
  return isKnown ? new StrftimePattern(parts) : null;
}

function hasKnownConversions(text: string): boolean {
  for (const match of text.matchAll(/%(.?)/gs)) {
    if (match[1] === '' || !Object.hasOwn(conversions, match[1]!)) return false;
  }
  return true;
}
