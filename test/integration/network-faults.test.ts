// Short forms of test/soak/network-faults.ts (reliability F-03 to F-06), and their controls.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type NetworkFault,
  type NetworkFaultReport,
  networkFault,
} from '../soak/network-faults.ts';
import { whyNoNamespace } from '../soak/network-namespace.ts';

const why = whyNoNamespace();

async function short(
  fault: NetworkFault,
  seconds: number,
  control = false,
): Promise<NetworkFaultReport> {
  return networkFault({ fault, seconds, rate: 60, percent: control ? 20 : 1, control });
}

async function holds(fault: NetworkFault, seconds: number): Promise<void> {
  const report = await short(fault, seconds);
  assert.deepEqual(report.failures, [], JSON.stringify(report.counts));
}

// They mostly wait.
describe('faults of the network', { skip: why ?? false, concurrency: 3 }, () => {
  test('F-05: HTTP/1 connections to a peer that is gone without a FIN are found and leave the pool', () =>
    holds('half-open', 15));

  test('F-05, control: without keepalives they stay', async () => {
    const report = await short('half-open', 15, true);
    assert.ok(report.failures.includes('not found'), JSON.stringify(report));
  });

  test('F-05: an HTTP/2 connection to a peer that is gone without a FIN is found by PING', () =>
    holds('half-open-http2', 15));

  test('F-03: storms of RSTs cost no GET, and no POST arrives twice', () => holds('reset', 3));

  test('F-03, control: with the retries the wrong way round GETs are lost and POSTs arrive twice', async () => {
    const { counts } = await short('reset', 5, true);
    const { getsFailed = 0, postsTwice = 0 } = counts;
    assert.ok(getsFailed > 0 && postsTwice > 0, JSON.stringify(counts));
  });

  test('F-04: behind a black hole answers take one connect timeout at most, and soon nothing', async () => {
    const report = await short('black-hole', 8);
    const { failed, p99FirstMs = 0, p99ThenMs = 0 } = report.counts;
    assert.equal(failed, 0);
    // The soak holds 1.5 and 0.5 s; tests share the machine. Who still went there would wait for a second.
    assert.ok(p99FirstMs < 3000 && p99ThenMs < 950, JSON.stringify(report));
  });

  test('F-04, control: without retries and outlier detection requests are lost', async () => {
    const { failed = 0 } = (await short('black-hole', 8, true)).counts;
    assert.ok(failed > 0);
  });

  test('F-06: lost packets cost no request', () => holds('loss', 3));

  test('F-06, control: with no time to send packets again requests are lost', async () => {
    const { failed = 0 } = (await short('loss', 3, true)).counts;
    assert.ok(failed > 0);
  });

  test('F-06: a line of one Mbit/s is used, and what waits for it does not pile up in memory', () =>
    holds('slow', 4));

  test('F-06, control: without a buffer limit it piles up', async () => {
    const { growthMb = 0 } = (await short('slow', 4, true)).counts;
    assert.ok(growthMb > 25, `${growthMb} MB`);
  });
});
