// A chart of latencies as SVG: for each policy a line from p50 over p99 to p99.9 on a logarithmic scale, and the share of
// calls that failed. Text and lines only; looks the same on light and dark pages.

export interface Row {
  readonly label: string;
  /** p50, p99, p99.9. */
  readonly valuesMs: readonly [number, number, number];
  /** Share of calls that failed. */
  readonly errors: number;
}

const LEFT = 190;
const RIGHT = 90;
const WIDTH = 760;
const ROW = 22;
const TOP = 46;

/** `title` above; the scale goes from `fromMs` to `toMs`, both powers of ten. */
export function chart(title: string, rows: readonly Row[], fromMs: number, toMs: number): string {
  const decades = Math.log10(toMs / fromMs);
  const x = (ms: number): number => {
    const share = Math.log10(Math.min(toMs, Math.max(fromMs, ms)) / fromMs) / decades;
    return Math.round(LEFT + share * (WIDTH - LEFT - RIGHT));
  };
  const bottom = TOP + rows.length * ROW;
  const lines: string[] = [];
  for (let ms = fromMs; ms <= toMs; ms *= 10) {
    lines.push(
      `<line x1="${x(ms)}" y1="${TOP - 8}" x2="${x(ms)}" y2="${bottom}" class="grid"/>`,
      `<text x="${x(ms)}" y="${TOP - 12}" text-anchor="middle">${ms < 1000 ? `${ms} ms` : `${ms / 1000} s`}</text>`,
    );
  }
  lines.push(`<text x="${WIDTH - 8}" y="${TOP - 12}" text-anchor="end">failed</text>`);
  for (const [i, { label, valuesMs, errors }] of rows.entries()) {
    const y = TOP + i * ROW + ROW / 2;
    const [p50, p99, p999] = valuesMs;
    lines.push(
      `<text x="${LEFT - 10}" y="${y + 4}" text-anchor="end">${label}</text>`,
      `<line x1="${x(p50)}" y1="${y}" x2="${x(p999)}" y2="${y}" class="range"/>`,
      `<circle cx="${x(p50)}" cy="${y}" r="4" class="p50"/>`,
      `<circle cx="${x(p99)}" cy="${y}" r="4" class="p99"/>`,
      `<circle cx="${x(p999)}" cy="${y}" r="4" class="p999"/>`,
      `<text x="${WIDTH - 8}" y="${y + 4}" text-anchor="end">${percent(errors)}</text>`,
    );
  }
  const height = bottom + 10;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="12" fill="#777">
<title>${title}</title>
<style>.grid{stroke:#999;stroke-opacity:.35}.range{stroke:#999;stroke-width:2}.p50{fill:#3a8f5c}.p99{fill:#d39b22}.p999{fill:#c0483c}</style>
<text x="8" y="16" font-weight="bold">${title}</text>
${lines.join('\n')}
</svg>
`;
}

/** `0`, `0.02 %`, `44 %`. */
export function percent(share: number): string {
  if (share === 0) return '0';
  const value = 100 * share;
  return `${value < 0.1 ? value.toFixed(3) : value < 10 ? value.toFixed(2) : value.toFixed(0)} %`;
}
