// %START_TIME% in the default format or in strftime's, with Envoy's sub-second specifiers. Rendering the
// date part costs; it changes once a second, so the last one is kept.

/** A function from milliseconds since the epoch to text. */
export type TimeFormat = (wallMs: number) => string;

const MS_PER_SECOND = 1000;
const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = [
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

/** `2026-11-21T09:30:00.123Z` */
function defaultFormat(): TimeFormat {
  let second = -1;
  let text = '';
  return (wallMs) => {
    const nowSecond = Math.floor(wallMs / MS_PER_SECOND);
    if (nowSecond !== second) {
      second = nowSecond;
      text = new Date(nowSecond * MS_PER_SECOND).toISOString().slice(0, 20);
    }
    return `${text}${pad(Math.floor(wallMs) % MS_PER_SECOND, 3)}Z`;
  };
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
}

/** strftime(3) specifiers; the ones that are not here print themselves. */
function specifier(letter: string, date: Date): string | null {
  const twelve = date.getUTCHours() % 12 || 12;
  switch (letter) {
    case 'Y':
      return String(date.getUTCFullYear());
    case 'y':
      return pad(date.getUTCFullYear() % 100, 2);
    case 'm':
      return pad(date.getUTCMonth() + 1, 2);
    case 'd':
      return pad(date.getUTCDate(), 2);
    case 'e':
      return String(date.getUTCDate()).padStart(2, ' ');
    case 'H':
      return pad(date.getUTCHours(), 2);
    case 'I':
      return pad(twelve, 2);
    case 'M':
      return pad(date.getUTCMinutes(), 2);
    case 'S':
      return pad(date.getUTCSeconds(), 2);
    case 'p':
      return date.getUTCHours() < 12 ? 'AM' : 'PM';
    case 'a':
      return days[date.getUTCDay()]!.slice(0, 3);
    case 'A':
      return days[date.getUTCDay()]!;
    case 'b':
    case 'h':
      return months[date.getUTCMonth()]!.slice(0, 3);
    case 'B':
      return months[date.getUTCMonth()]!;
    case 'j':
      return pad(dayOfYear(date), 3);
    case 'F':
      return `${date.getUTCFullYear()}-${pad(date.getUTCMonth() + 1, 2)}-${pad(date.getUTCDate(), 2)}`;
    case 'T':
      return `${pad(date.getUTCHours(), 2)}:${pad(date.getUTCMinutes(), 2)}:${pad(date.getUTCSeconds(), 2)}`;
    case 'R':
      return `${pad(date.getUTCHours(), 2)}:${pad(date.getUTCMinutes(), 2)}`;
    case 'D':
      return `${pad(date.getUTCMonth() + 1, 2)}/${pad(date.getUTCDate(), 2)}/${pad(date.getUTCFullYear() % 100, 2)}`;
    case 'z':
      return '+0000';
    case 'Z':
      return 'UTC';
    case 'u':
      return String(date.getUTCDay() || 7);
    case 'w':
      return String(date.getUTCDay());
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case '%':
      return '%';
    default:
      return null;
  }
}

/** `format` = what stands in the parentheses, '' = none. Times are UTC, as Envoy's. */
export function timeFormat(format: string): TimeFormat {
  if (format === '') return defaultFormat();
  return (wallMs) => {
    const whole = Math.floor(wallMs);
    const date = new Date(whole);
    const nanoseconds = `${pad(((whole % MS_PER_SECOND) + MS_PER_SECOND) % MS_PER_SECOND, 3)}000000`;
    return format.replaceAll(
      /%(?:([1-9])?(f)|(E)?([1-9*])?S|(s)|([a-zA-Z%]))/g,
      (all, digits, fraction, _e, seconds, epoch, letter) => {
        if (fraction !== undefined) return nanoseconds.slice(0, Number(digits ?? 9));
        if (epoch !== undefined) return String(Math.floor(whole / MS_PER_SECOND));
        if (letter !== undefined) return specifier(letter, date) ?? all;
        const base = pad(date.getUTCSeconds(), 2);
        if (seconds === undefined) return base;
        return `${base}.${seconds === '*' ? nanoseconds : nanoseconds.slice(0, Number(seconds))}`;
      },
    );
  };
}
