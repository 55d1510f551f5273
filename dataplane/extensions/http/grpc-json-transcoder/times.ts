// Texts of google.protobuf.Timestamp, Duration and FieldMask -> their numbers and paths. Used by
// json-reader.ts; the texts come from clients.

/** Seconds and nanoseconds of the same sign. */
export interface Time {
  readonly seconds: number;
  readonly nanos: number;
}

const MIN_TIMESTAMP_S = -62_135_596_800;
const MAX_TIMESTAMP_S = 253_402_300_799;
const MAX_DURATION_S = 315_576_000_000;
const TIMESTAMP =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const DURATION = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;

/** RFC 3339; a string says what is wrong. */
export function timestampOf(text: string): Time | string {
  const match = TIMESTAMP.exec(text);
  if (match === null) {
    return /([Zz]|[+-]\d\d:\d\d)$/.test(text)
      ? 'Invalid time format: Failed to parse input'
      : "Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset.";
  }
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHour, offsetMinute] =
    match;
  // A leap second and month 13 come back as something else.
  const base = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const ms = Date.parse(`${base}Z`);
  if (Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(base)) {
    return 'Invalid time format: Failed to parse input';
  }
  const offset = (Number(offsetHour ?? 0) * 60 + Number(offsetMinute ?? 0)) * 60;
  const seconds = ms / 1000 - (sign === '-' ? -offset : offset);
  if (seconds < MIN_TIMESTAMP_S || seconds > MAX_TIMESTAMP_S) {
    return 'Timestamp value exceeds limits';
  }
  return { seconds, nanos: nanosOf(fraction) };
}

/** `1.5s`; a string says what is wrong. */
export function durationOf(text: string): Time | string {
  if (!text.endsWith('s')) return "Illegal duration format; duration must end with 's'";
  const match = DURATION.exec(text);
  if (match === null) return 'Invalid duration format, failed to parse seconds';
  const [, sign = '', whole = '0', fraction = ''] = match;
  const seconds = Number(whole);
  if (seconds > MAX_DURATION_S) return 'Duration value exceeds limits';
  const nanos = nanosOf(fraction);
  return sign === '-' ? { seconds: -seconds, nanos: -nanos } : { seconds, nanos };
}

function nanosOf(fraction: string): number {
  return Number(fraction.padEnd(9, '0'));
}

/** `a,bC.d` -> `a`, `b_c.d`. */
export function fieldMaskPaths(text: string): readonly string[] {
  return text
    .split(',')
    .filter((path) => path !== '')
    .map((path) => path.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}
