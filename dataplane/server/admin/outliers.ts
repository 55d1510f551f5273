// /outliers: which hosts outlier detection has taken out of rotation, until when, and what it did before. Envoy has
// no such page; its event log says the same, one line at a time.

import type { EjectedHost, OutlierStatus } from '../../upstream/outlier/status.ts';
import type { TimelineEntry } from '../../upstream/outlier/timeline.ts';
import { compileRe2 } from './filter-regex.ts';
import { type AdminPage, json, text } from './router.ts';
import type { AdminSources } from './sources.ts';

export function outlierPage(sources: AdminSources, wallMs: () => number): AdminPage {
  return {
    path: '/outliers',
    method: 'GET',
    help: 'ejected hosts, when they return, and the last ejections of each cluster',
    params: [
      { name: 'filter', help: 'Regular expression (Google re2) for filtering clusters by name' },
      { name: 'format', help: 'Format to use; One of (text, json)' },
    ],
    handle: (query) => {
      const pattern = query.get('filter');
      const regex = pattern === null ? null : compileRe2(pattern);
      if (regex === 'invalid') return text('Invalid re2 regex\n', 400);
      const format = query.get('format') ?? 'text';
      if (format !== 'text' && format !== 'json') {
        return text(`usage: /outliers?format=(text|json); '${format}' is not supported\n`, 400);
      }
      const clusters = [...sources.outliers()].filter(
        ([name]) => regex === null || regex.find(name),
      );
      return format === 'json'
        ? json({ clusters: clusters.map(([name, status]) => clusterJson(name, status)) })
        : text(clusters.map(([name, status]) => clusterText(name, status, wallMs())).join(''));
    },
  };
}

/** How it reads in the table. */
const actionTexts: Readonly<Record<TimelineEntry['action'], string>> = {
  eject: 'ejected',
  would_eject: 'would have been ejected (not enforced)',
  overflow: 'not ejected (max_ejection_percent)',
  uneject: 'back in rotation',
  degrade: 'degraded',
  undegrade: 'no longer degraded',
};

function clusterText(name: string, status: OutlierStatus, nowMs: number): string {
  const count = status.ejected.filter(({ action }) => action === 'eject').length;
  const lines = [
    `${name}: ${count} of ${status.hosts} hosts ejected (max_ejection_percent ${status.maxEjectionPercent})`,
    ...status.ejected.map((host) => `  ${ejectedText(host, nowMs)}`),
    ...table(status.timeline),
  ];
  return `${lines.join('\n')}\n`;
}

function ejectedText({ address, action, untilWallMs, times }: EjectedHost, nowMs: number): string {
  const seconds = Math.max(0, Math.ceil((untilWallMs - nowMs) / 1000));
  const time = times === 1 ? 'once' : `${times} times`;
  const state = actionTexts[action];
  return `${address} is ${state} until ${iso(untilWallMs)} (in ${seconds} s; ${time} so far)`;
}

/** Newest first: that is what somebody is looking for. */
function table(timeline: readonly TimelineEntry[]): string[] {
  const rows = timeline
    .map(({ wallMs, address, action, reason, successRate }) => [
      iso(wallMs),
      address,
      actionTexts[action],
      successRate === null ? reason : `${reason} ${Math.round(successRate * 10) / 10} %`,
    ])
    .reverse();
  const widths = [0, 1, 2].map((i) => Math.max(0, ...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd(),
  );
}

function clusterJson(name: string, status: OutlierStatus): unknown {
  return {
    name,
    hosts: status.hosts,
    max_ejection_percent: status.maxEjectionPercent,
    ejected: status.ejected.map(({ address, action, sinceWallMs, untilWallMs, times }) => ({
      address,
      action,
      since: iso(sinceWallMs),
      until: iso(untilWallMs),
      times,
    })),
    timeline: status.timeline.map(({ wallMs, address, action, reason, successRate }) => ({
      time: iso(wallMs),
      address,
      action,
      reason,
      ...(successRate === null ? {} : { success_rate: successRate }),
    })),
  };
}

function iso(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
