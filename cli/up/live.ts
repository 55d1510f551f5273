// The live line of `remora up`, one per second; and its dressing on a terminal.

import { styleText } from 'node:util';
import type { SecondSummary } from './traffic.ts';

/** Colour only where a person looks. */
export function paint(style: 'green' | 'red' | 'bold' | 'dim', text: string): string {
  return process.stdout.isTTY ? styleText(style, text) : text;
}

/** `12:00:01   40 req/s   v1 90 %  v2 10 %   errors 0   p50 4.1 ms   p99 9.9 ms` */
export function liveLine(time: Date, second: SecondSummary): string {
  const total = second.versions.reduce((sum, [, count]) => sum + count, 0);
  const shares = second.versions.map(
    ([version, count]) => `${version} ${String(Math.round((count / total) * 100)).padStart(3)} %`,
  );
  const errors = `errors ${second.errors}`;
  return [
    time.toTimeString().slice(0, 8),
    `${String(second.requests).padStart(4)} req/s`,
    shares.join('  ') || 'no answers',
    second.errors > 0 ? paint('red', errors) : errors,
    `p50 ${second.p50Ms.toFixed(1)} ms`,
    `p99 ${second.p99Ms.toFixed(1)} ms`,
  ].join('   ');
}
