import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterConfig } from '../../../test/fakes/cluster-config.ts';
import { balancerParts, StubHost, type StubHostOptions } from '../../../test/fakes/lb.ts';
import type { HealthStatus } from '../../api/config/cluster.ts';
import { anyHost } from '../../api/load-balancing.ts';
import { Balancer } from './balancer.ts';

const assignment = {
  overprovisioningFactor: 140,
  weightedPriorityHealth: false,
  dropOverload: null,
  localityWeights: [],
};

/** Hosts `a`, which requests ask for, and `b`; the address of what a request gets. */
function balancerOf(asked: StubHostOptions, statuses?: readonly HealthStatus[]) {
  const config = clusterConfig();
  const { commonLb } = config;
  const balancer = new Balancer(
    {
      ...config,
      commonLb: { ...commonLb, overrideHostStatuses: statuses ?? commonLb.overrideHostStatuses },
    },
    balancerParts({ panicThresholdPercent: 0 }),
    null,
  );
  const hosts = [new StubHost('a', asked), new StubHost('b')].map((host) => host.asHost());
  balancer.setHosts(hosts, assignment);
  const ask = (address: string, strict: boolean) => {
    const overrideHost = { address, strict, statusIfMissing: 503 };
    return balancer.choose({ ...anyHost, overrideHost })?.addressText ?? null;
  };
  /** Twice, as round robin would not stay. */
  const goesThere = (address: string) => {
    const chosen = [ask(address, false), ask(address, false)];
    return chosen[0] === address && chosen[1] === address;
  };
  return { balancer, hosts, ask, goesThere };
}

test('the host that a request asks for goes before any policy, whatever its priority', () => {
  assert.ok(balancerOf({ priority: 1 }).goesThere('a'));
  const { goesThere, ask } = balancerOf({});
  assert.ok(goesThere('a'));
  assert.ok(goesThere('b'));
  assert.equal(ask('a', true), 'a');
});

test('what is not there is chosen by the policy, or is nobody where it must be', () => {
  const { ask } = balancerOf({});
  assert.deepEqual(new Set([ask('x', false), ask('x', false)]), new Set(['a', 'b']));
  assert.equal(ask('x', true), null);
});

test('only hosts of some states may be asked for', () => {
  const goesThere = (healthStatus: HealthStatus, statuses?: readonly HealthStatus[]) => {
    const health = healthStatus === 'DRAINING' ? 'unhealthy' : 'healthy';
    const { ask } = balancerOf({ healthStatus, health, priority: 1 }, statuses);
    return ask('a', true) === 'a';
  };
  for (const status of ['UNKNOWN', 'HEALTHY', 'DEGRADED'] as const) assert.ok(goesThere(status));
  for (const status of ['UNHEALTHY', 'DRAINING', 'TIMEOUT'] as const) assert.ok(!goesThere(status));
  assert.ok(goesThere('DRAINING', ['DRAINING']));
  assert.ok(!goesThere('HEALTHY', ['DRAINING']));
  assert.ok(!goesThere('HEALTHY', []));
});

test('hosts that come can be asked for, those that go cannot', () => {
  const { balancer, hosts, ask } = balancerOf({});
  balancer.setHosts(hosts.slice(1), assignment);
  assert.equal(ask('a', true), null);
  balancer.setHosts(hosts, assignment);
  assert.equal(ask('a', true), 'a');
});
