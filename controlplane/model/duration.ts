// Durations of the Gateway API (GEP-2257): up to four numbers with h, m, s or ms.

const UNIT_MS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** Milliseconds of a text that the schema already accepted (`1h30m`, `250ms`); throws on any other. */
export function durationMs(text: string): number {
  let totalMs = 0;
  let length = 0;
  for (const [part, amount, unit] of text.matchAll(/(\d{1,5})(h|ms|m|s)/g)) {
    totalMs += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
    length += part.length;
  }
  if (length !== text.length || length === 0) throw new Error(`not a duration: ${text}`);
  return totalMs;
}
