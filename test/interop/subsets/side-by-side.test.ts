// Subsets side by side with Envoy: the same clusters, routes and requests; which hosts answered, how often where that is
// not left to chance, and the lb_ stats must be the same.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Sidecar, startSidecar } from '../../integration/sidecar.ts';
import { findPeer, skipWithout } from '../peers.ts';
import { type RunningProxy, startProxy } from '../proxies.ts';
import {
  bootstrap,
  lbStats,
  type RunResult,
  run,
  type Scenario,
  startUpstreams,
  type Upstreams,
  yamlOf,
} from './scenario.ts';
import { subsetScenarios } from './scenarios.ts';

/** Envoy counts its main thread, too; ours chooses no hosts. */
const perThread = new Set(['lb_subsets_active', 'lb_subsets_created']);

describe('subsets side by side with Envoy', { skip: skipWithout('envoy') }, () => {
  let upstreams: Upstreams;
  let envoy: RunningProxy;
  let remora: Sidecar;

  before(async () => {
    upstreams = await startUpstreams();
    const { ports } = upstreams;
    envoy = await startProxy('envoy', findPeer('envoy') ?? '', ({ listen, admin }) =>
      JSON.stringify({
        admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
        ...bootstrap(subsetScenarios, ports, listen),
      }),
    );
    remora = await startSidecar(yamlOf(bootstrap(subsetScenarios, ports, 0)));
  });

  after(async () => {
    await envoy?.stop();
    await remora?.stop();
    upstreams?.close();
  });

  for (const scenario of subsetScenarios) {
    test(scenario.name, async () => {
      for (const part of scenario.runs) {
        const expected = await run(envoy.ports.listen, scenario, part);
        const actual = await run(remora.port('ingress'), scenario, part);
        const at = `${scenario.name}/${part.route}`;
        if (scenario.differs?.includes(part.route)) assert.notDeepEqual(actual, expected, at);
        else compare(actual, expected, part.count, scenario, at);
      }
      const filter = '/stats?filter=lb_';
      const expected = lbStats(await envoy.admin(filter), scenario.name);
      const actual = lbStats(await remora.admin(filter), scenario.name);
      for (const [name, value] of Object.entries(expected)) {
        if (scenario.statsDiffer?.includes(name)) continue;
        if (!/subsets|panic/.test(name)) continue;
        assert.equal(actual[name] ?? 0, perThread.has(name) ? value / 2 : value, name);
      }
    });
  }
});

/** Where policies begin is left to chance: of round robin, only what each host gets is the same. */
function compare(
  actual: RunResult,
  expected: RunResult,
  count: number,
  scenario: Scenario,
  at: string,
): void {
  assert.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort(), at);
  if (scenario.tolerance === undefined) return;
  for (const [answer, times] of Object.entries(expected)) {
    const off = Math.abs(actual[answer]! - times) / count;
    assert.ok(off <= scenario.tolerance, `${at} ${answer}: ${actual[answer]} instead of ${times}`);
  }
}
