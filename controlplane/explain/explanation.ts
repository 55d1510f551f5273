// The shape of an explanation: plain sentences in sections, each with the place that it comes from. `ctl explain`
// prints it; REST sends it as it is.

/** Where a sentence's setting stands: a document (`TrafficPolicy default/orders`), or `default`. */
export type Source = string;

export interface Sentence {
  readonly text: string;
  readonly source: Source;
}

export interface Section {
  readonly title: string;
  readonly sentences: readonly Sentence[];
}

/** `15s`, `250ms`, `1h30m`: as documents spell durations. `ms` > 0. */
export function durationText(ms: number): string {
  const parts: readonly (readonly [unit: string, size: number])[] = [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
    ['ms', 1],
  ];
  let left = ms;
  let text = '';
  for (const [unit, size] of parts) {
    const count = Math.floor(left / size);
    if (count > 0) text += `${count}${unit}`;
    left -= count * size;
  }
  return text;
}

/** `one instance`, `3 instances`; `plural` where it is not formed with s. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return count === 1 ? `one ${noun}` : `${count} ${plural}`;
}
