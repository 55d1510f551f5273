import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noThreshold } from '../../upstream/outlier/interval-analysis.ts';
import type { OutlierStatus } from '../../upstream/outlier/status.ts';
import { outlierPage } from './outliers.ts';
import type { AdminReply } from './router.ts';
import type { AdminSources } from './sources.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const quiet: OutlierStatus = {
  external: noThreshold,
  localOrigin: noThreshold,
  maxEjectionPercent: 10,
  hosts: 3,
  ejected: [],
  timeline: [],
};
const busy: OutlierStatus = {
  ...quiet,
  maxEjectionPercent: 50,
  ejected: [
    {
      address: '10.0.0.1:80',
      action: 'eject',
      sinceWallMs: NOW - 1000,
      untilWallMs: NOW + 29_500,
      times: 2,
    },
    {
      address: '10.0.0.2:80',
      action: 'degrade',
      sinceWallMs: NOW - 1000,
      untilWallMs: NOW - 1,
      times: 1,
    },
  ],
  timeline: [
    {
      wallMs: NOW - 2000,
      address: '10.0.0.10:80',
      action: 'would_eject',
      reason: 'failure_percentage',
      successRate: 12.34,
    },
    {
      wallMs: NOW - 1000,
      address: '10.0.0.1:80',
      action: 'eject',
      reason: 'consecutive_5xx',
      successRate: null,
    },
  ],
};

/** The page is one that answers at once. */
function ask(query: string): AdminReply {
  const outliers = new Map([
    ['orders', busy],
    ['stock', quiet],
  ]);
  // All that the page asks for.
  const sources = { outliers: () => outliers } as unknown as AdminSources;
  return outlierPage(sources, () => NOW).handle(new URLSearchParams(query)) as AdminReply;
}

test('/outliers tells who is out until when, and what happened, newest first', () => {
  assert.equal(
    ask('').body,
    `orders: 1 of 3 hosts ejected (max_ejection_percent 50)
  10.0.0.1:80 is ejected until 2026-01-02T03:04:35.178Z (in 30 s; 2 times so far)
  10.0.0.2:80 is degraded until 2026-01-02T03:04:05.677Z (in 0 s; once so far)
  2026-01-02T03:04:04.678Z  10.0.0.1:80   ejected                                 consecutive_5xx
  2026-01-02T03:04:03.678Z  10.0.0.10:80  would have been ejected (not enforced)  failure_percentage 12.3 %
stock: 0 of 3 hosts ejected (max_ejection_percent 10)
`,
  );
});

test('/outliers as JSON, for the clusters that a filter names', () => {
  const { clusters } = JSON.parse(ask('format=json&filter=^ord').body);
  assert.deepEqual(clusters, [
    {
      name: 'orders',
      hosts: 3,
      max_ejection_percent: 50,
      ejected: [
        {
          address: '10.0.0.1:80',
          action: 'eject',
          since: '2026-01-02T03:04:04.678Z',
          until: '2026-01-02T03:04:35.178Z',
          times: 2,
        },
        {
          address: '10.0.0.2:80',
          action: 'degrade',
          since: '2026-01-02T03:04:04.678Z',
          until: '2026-01-02T03:04:05.677Z',
          times: 1,
        },
      ],
      timeline: [
        {
          time: '2026-01-02T03:04:03.678Z',
          address: '10.0.0.10:80',
          action: 'would_eject',
          reason: 'failure_percentage',
          success_rate: 12.34,
        },
        {
          time: '2026-01-02T03:04:04.678Z',
          address: '10.0.0.1:80',
          action: 'eject',
          reason: 'consecutive_5xx',
        },
      ],
    },
  ]);
});

test('/outliers refuses what it does not understand', () => {
  assert.equal(ask('filter=(').status, 400);
  assert.equal(ask('format=xml').status, 400);
});
