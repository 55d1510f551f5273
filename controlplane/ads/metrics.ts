// The xDS server's counters as Prometheus text, `remora_cp_*`. Written out at a scrape; served by
// controlplane/api at /metrics. What each means stands in docs/life-of-an-update.md.

import type { AdsStats, Histogram, KindCounts } from './ads-stats.ts';
import type { AdsServer } from './server.ts';

/** What main knows beside the servers. */
export interface ControlPlaneFacts {
  /** Snapshots that the guard holds back now. */
  readonly heldBackSnapshots: number;
  /** Changes heard of and rounds run by the reconcile loop. */
  readonly changesTotal: number;
  readonly roundsTotal: number;
}

type Server = Pick<AdsServer, 'stats' | 'queueDepth'> & {
  readonly tracker: { readonly connectedCount: number };
};

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly of: (server: Server) => number;
}

const families: readonly Family[] = [
  gauge('connected_nodes', 'nodes with an open discovery stream', (s) => s.tracker.connectedCount),
  gauge('streams', 'open discovery streams', (s) => s.stats.streamsActive),
  gauge('streams_waiting', 'streams that wait to be admitted', (s) => s.stats.streamsWaiting),
  gauge('push_queue_depth', 'streams that wait for a changed snapshot', (s) => s.queueDepth),
  counter('streams', 'streams opened', (s) => s.stats.streamsTotal),
  counter(
    'streams_refused',
    'streams of peers that are not who they say',
    (s) => s.stats.refusedTotal,
  ),
  counter(
    'streams_denied',
    'streams that asked for what they may not have',
    (s) => s.stats.deniedTotal,
  ),
  counter(
    'streams_overloaded',
    'streams refused because there are too many',
    (s) => s.stats.overloadedTotal,
  ),
  counter(
    'streams_slow',
    'streams cut off because they did not answer',
    (s) => s.stats.slowStreamsTotal,
  ),
  counter('streams_aged', 'streams ended because of their age', (s) => s.stats.agedStreamsTotal),
  counter('requests_bad', 'requests against the protocol', (s) => s.stats.badRequestsTotal),
  counter(
    'requests_stale',
    'requests with a nonce that was not the last',
    (s) => s.stats.staleNonceTotal,
  ),
  counter(
    'requests_unknown_type',
    'requests for types not served',
    (s) => s.stats.unknownTypeTotal,
  ),
  counter(
    'requests_throttled',
    'times that a stream was not read for a while',
    (s) => s.stats.throttledTotal,
  ),
  counter('sent_bytes', 'bytes of responses', (s) => s.stats.sentBytesTotal),
  counter('fetches', 'requests over REST', (s) => s.stats.fetchesTotal),
  counter(
    'fetches_unchanged',
    'requests over REST answered with 304',
    (s) => s.stats.fetchesUnchangedTotal,
  ),
];

const byType: readonly (readonly [string, string, (stats: AdsStats) => KindCounts])[] = [
  ['pushes', 'responses sent', (stats) => stats.responsesTotal],
  ['acks', 'responses accepted', (stats) => stats.acksTotal],
  ['nacks', 'responses refused', (stats) => stats.nacksTotal],
  ['heartbeats', 'responses that renew TTLs', (stats) => stats.heartbeatsTotal],
];

/** Prometheus text format 0.0.4, summed over the servers (one per port). */
export function metricsText(servers: readonly Server[], facts: ControlPlaneFacts): string {
  const lines: string[] = [];
  const sum = (of: (server: Server) => number) =>
    servers.reduce((total, server) => total + of(server), 0);
  for (const { name, help, type, of } of families) header(lines, name, help, type, sum(of));
  for (const [name, help, of] of byType) {
    const full = `remora_cp_${name}_total`;
    lines.push(`# HELP ${full} ${help}`, `# TYPE ${full} counter`);
    const counts = new Map<string, number>();
    for (const { stats } of servers) {
      for (const [kind, count] of of(stats).entries()) {
        counts.set(kind, (counts.get(kind) ?? 0) + count);
      }
    }
    for (const [kind, count] of [...counts].sort()) lines.push(`${full}{type="${kind}"} ${count}`);
  }
  pushSeconds(
    lines,
    servers.map(({ stats }) => stats.pushSeconds),
  );
  const { heldBackSnapshots, changesTotal, roundsTotal } = facts;
  const held = 'snapshots held back because most would vanish';
  header(lines, 'snapshots_held_back', held, 'gauge', heldBackSnapshots);
  header(lines, 'changes_total', 'changes heard of', 'counter', changesTotal);
  header(lines, 'reconcile_rounds_total', 'rounds of reconciliation', 'counter', roundsTotal);
  const merged = 'changes that were taken along by a round for others';
  header(lines, 'changes_merged_total', merged, 'counter', Math.max(0, changesTotal - roundsTotal));
  return `${lines.join('\n')}\n`;
}

function pushSeconds(lines: string[], histograms: readonly Histogram[]): void {
  const name = 'remora_cp_push_seconds';
  lines.push(
    `# HELP ${name} from a changed snapshot to the last ACK or NACK of what it changed for a stream`,
    `# TYPE ${name} histogram`,
  );
  const total = (of: (histogram: Histogram) => number) =>
    histograms.reduce((sum, histogram) => sum + of(histogram), 0);
  let below = 0;
  for (const [slot, bound] of (histograms[0]?.bounds ?? []).entries()) {
    below += total(({ counts }) => counts[slot] ?? 0);
    lines.push(`${name}_bucket{le="${bound}"} ${below}`);
  }
  const count = total((histogram) => histogram.count);
  lines.push(
    `${name}_bucket{le="+Inf"} ${count}`,
    `${name}_sum ${total(({ sum }) => sum)}`,
    `${name}_count ${count}`,
  );
}

function header(
  lines: string[],
  name: string,
  help: string,
  type: 'gauge' | 'counter',
  value: number,
): void {
  const full = `remora_cp_${name}`;
  lines.push(`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, `${full} ${value}`);
}

function gauge(name: string, help: string, of: Family['of']): Family {
  return { name, help, type: 'gauge', of };
}

function counter(name: string, help: string, of: Family['of']): Family {
  return { name: `${name}_total`, help, type: 'counter', of };
}
