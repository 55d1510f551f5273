// /stats, /stats/prometheus, /reset_counters.

import { histogramBounds } from '../../api/stats.ts';
import { prometheusText } from '../../stats/prom-export.ts';
import type { StatEntry } from '../../stats/snapshot.ts';
import { compileRe2 } from './filter-regex.ts';
import { type AdminPage, type AdminReply, json, text } from './router.ts';
import type { AdminSources } from './sources.ts';

const statParams = [
  { name: 'usedonly', help: 'Only include stats that have been written by system since restart' },
  { name: 'filter', help: 'Regular expression (Google re2) for filtering stats' },
];

export function statsPages(sources: AdminSources): readonly AdminPage[] {
  const baseline = new CounterBaseline();
  const read = async (query: URLSearchParams): Promise<StatEntry[] | AdminReply> => {
    const pattern = query.get('filter');
    const regex = pattern === null ? null : compileRe2(pattern);
    if (regex === 'invalid') return text('Invalid re2 regex\n', 400);
    const usedOnly = query.has('usedonly');
    return baseline
      .apply(await sources.stats())
      .filter((entry) => (regex === null || regex.find(entry.name)) && (!usedOnly || isUsed(entry)))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  };
  return [
    {
      path: '/stats',
      method: 'GET',
      help: 'print server stats',
      params: [
        ...statParams,
        { name: 'format', help: 'Format to use; One of (text, json, prometheus)' },
      ],
      handle: async (query) => {
        const entries = await read(query);
        if (!Array.isArray(entries)) return entries;
        const format = query.get('format') ?? 'text';
        if (format === 'json') return json(statsJson(entries));
        if (format === 'prometheus') return text(await prometheusText(entries));
        if (format !== 'text') {
          return text(
            `usage: /stats?format=(text|json|prometheus); '${format}' is not supported\n`,
            400,
          );
        }
        return text(statsText(entries));
      },
    },
    {
      path: '/stats/prometheus',
      method: 'GET',
      help: 'print server stats in prometheus format',
      params: statParams,
      handle: async (query) => {
        const entries = await read(query);
        return Array.isArray(entries) ? text(await prometheusText(entries)) : entries;
      },
    },
    {
      path: '/reset_counters',
      method: 'POST',
      help: 'reset all counters to zero',
      params: [],
      handle: async () => {
        baseline.reset(await sources.stats());
        return text('OK\n');
      },
    },
  ];
}

/** Counters never go back where they are counted; a reset remembers what to subtract. */
class CounterBaseline {
  readonly #values = new Map<string, number>();

  reset(entries: readonly StatEntry[]): void {
    for (const entry of entries)
      if (entry.kind === 'counter') this.#values.set(entry.name, entry.value);
  }

  apply(entries: readonly StatEntry[]): StatEntry[] {
    if (this.#values.size === 0) return [...entries];
    return entries.map((entry) =>
      entry.kind === 'counter'
        ? { ...entry, value: Math.max(0, entry.value - (this.#values.get(entry.name) ?? 0)) }
        : entry,
    );
  }
}

function isUsed(entry: StatEntry): boolean {
  if (entry.kind === 'histogram') return entry.value.count > 0;
  return entry.kind === 'text' ? entry.value !== '' : entry.value !== 0;
}

function statsText(entries: readonly StatEntry[]): string {
  const line = (entry: StatEntry): string => {
    if (entry.kind === 'text') return `${entry.name}: "${entry.value}"\n`;
    if (entry.kind !== 'histogram') return `${entry.name}: ${entry.value}\n`;
    if (entry.value.count === 0) return `${entry.name}: No recorded values\n`;
    const quantiles = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100].map(
      (percent) => `P${percent}(nan,${formatNumber(quantile(entry.value, percent / 100))})`,
    );
    return `${entry.name}: ${quantiles.join(' ')}\n`;
  };
  // Envoy prints histograms after everything else.
  const plain = entries.filter((entry) => entry.kind !== 'histogram');
  const histograms = entries.filter((entry) => entry.kind === 'histogram');
  return [...plain, ...histograms].map(line).join('');
}

const jsonQuantiles = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

function statsJson(entries: readonly StatEntry[]): unknown {
  const plain = entries.flatMap((entry): unknown[] =>
    entry.kind === 'histogram' ? [] : [{ name: entry.name, value: entry.value }],
  );
  const computed = entries.flatMap((entry) =>
    entry.kind !== 'histogram'
      ? []
      : [
          {
            name: entry.name,
            values: jsonQuantiles.map((percent) => ({
              interval: null,
              cumulative: entry.value.count === 0 ? null : quantile(entry.value, percent / 100),
            })),
          },
        ],
  );
  if (computed.length === 0) return { stats: plain };
  const histograms = { supported_quantiles: jsonQuantiles, computed_quantiles: computed };
  return { stats: [...plain, { histograms }] };
}

/** Linear inside the bucket that holds the wanted rank; the last bucket has no upper bound. */
function quantile(
  { count, buckets }: { readonly count: number; readonly buckets: readonly number[] },
  share: number,
): number {
  const rank = share * count;
  let below = 0;
  for (let i = 0; i < histogramBounds.length; i++) {
    const cumulative = buckets[i] ?? 0;
    if (cumulative >= rank && cumulative > below) {
      const low = i === 0 ? 0 : histogramBounds[i - 1]!;
      return low + ((rank - below) / (cumulative - below)) * (histogramBounds[i]! - low);
    }
    below = cumulative;
  }
  return histogramBounds.at(-1)!;
}

function formatNumber(value: number): string {
  return String(Number(value.toPrecision(4)));
}
