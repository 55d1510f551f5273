// The result table: one line per row and peer, medians of the rounds, ratios to Envoy.

import type { LoadResult } from './result.ts';

/** One measured run of one row by one proxy. */
export interface Sample extends LoadResult {
  readonly peer: string;
  readonly row: string;
  readonly cpuMicroseconds: number;
  readonly rssMib: number;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? sorted[middle]!
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Markdown, so that it can go into the README as it is. */
export function printTable(
  rows: readonly { readonly name: string; readonly title: string }[],
  peers: readonly string[],
  samples: readonly Sample[],
): string {
  const lines = [
    '| row | proxy | CPU us | of Envoy’s | per second | p50 ms | p99 ms | RSS MiB | errors |',
    '|---|---|---:|---:|---:|---:|---:|---:|---:|',
  ];
  for (const row of rows) {
    const of = (peer: string) =>
      samples.filter((sample) => sample.row === row.name && sample.peer === peer);
    const envoy = of('envoy');
    const envoyCpu = envoy.length > 0 ? median(envoy.map((s) => s.cpuMicroseconds)) : Number.NaN;
    for (const peer of peers) {
      const mine = of(peer);
      if (mine.length === 0) continue;
      const value = (pick: (sample: Sample) => number) => median(mine.map(pick));
      const cpu = value((s) => s.cpuMicroseconds);
      const ratio = Number.isNaN(envoyCpu) ? '-' : (cpu / envoyCpu).toFixed(2);
      const errors = mine.reduce((sum, s) => sum + s.errors, 0);
      lines.push(
        `| ${row.title} | ${peer} | ${cpu.toFixed(1)} | ${ratio} | ` +
          `${value((s) => s.operationsPerSecond).toFixed(0)} | ${value((s) => s.p50Ms).toFixed(2)} | ` +
          `${value((s) => s.p99Ms).toFixed(2)} | ${value((s) => s.rssMib).toFixed(0)} | ${errors} |`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
