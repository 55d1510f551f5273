import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balancerParts, prioritySetOf, StubHost } from '../../../../test/fakes/lb.ts';
import { FakeStreamInfo } from '../../../../test/fakes/stream-info.ts';
import { defaultRoundRobin, type OverrideHostData } from '../../../api/config/load-balancing.ts';
import { RequestHeaders } from '../../../api/headers.ts';
import { anyHost, type LoadBalancerContext } from '../../../api/load-balancing.ts';
import { createLoadBalancer } from '../create-load-balancer.ts';
import { HostIndex } from '../host-index.ts';

const data: OverrideHostData = {
  kind: 'OVERRIDE_HOST',
  sources: [
    { kind: 'header', name: 'x-host' },
    { kind: 'metadata', key: { namespace: 'picker', path: ['hosts', 'primary'] } },
  ],
  selectedHostKey: null,
  fallback: defaultRoundRobin,
};

function policyOf(given: Partial<OverrideHostData> = {}) {
  const hosts = [
    new StubHost('1.1.1.1:1'),
    new StubHost('2.2.2.2:2', { health: 'unhealthy', priority: 1 }),
    new StubHost('[::1]:3'),
  ];
  const index = new HostIndex();
  index.setHosts(hosts.map((host) => host.asHost()));
  const policy = createLoadBalancer(
    { ...data, ...given },
    prioritySetOf(hosts),
    balancerParts(),
    index,
  );
  return (context: LoadBalancerContext, attempt = 0) =>
    policy.choose(context, attempt)?.addressText ?? null;
}

function request(header: string | null, metadata: Record<string, unknown> | null = null) {
  const streamInfo = new FakeStreamInfo();
  if (metadata !== null) streamInfo.dynamicMetadata = { picker: metadata };
  const fields = header === null ? [] : ['x-host', header];
  const requestHeaders = new RequestHeaders('GET', '/', 'a', 'http', fields);
  return { ...anyHost, requestHeaders, streamInfo };
}

test('each try takes the next host that was named, then the fallback chooses', () => {
  const choose = policyOf();
  const context = request(' 2.2.2.2:2 ,9.9.9.9:9,, [::1]:3', { hosts: { primary: '1.1.1.1:1' } });
  assert.equal(choose(context), '2.2.2.2:2');
  assert.equal(choose(context), '[::1]:3');
  assert.equal(choose(context), '1.1.1.1:1');
  const others = new Set([choose(context), choose(context)]);
  assert.deepEqual(others, new Set(['1.1.1.1:1', '[::1]:3']));
});

test('a named host cannot be refused: the next name is for the next try', () => {
  const choose = policyOf();
  const context = request('2.2.2.2:2,1.1.1.1:1');
  assert.equal(choose(context), '2.2.2.2:2');
  assert.equal(choose(context, 1), '2.2.2.2:2');
  assert.equal(choose(context), '1.1.1.1:1');
});

test('what names nobody leaves it to the fallback', () => {
  const choose = policyOf();
  for (const context of [
    anyHost,
    request(null),
    request(''),
    request('nobody'),
    request(null, { hosts: '1.1.1.1:1' }),
    request(null, { hosts: { primary: 7 } }),
  ]) {
    const chosen = new Set([choose(context), choose(context)]);
    assert.deepEqual(chosen, new Set(['1.1.1.1:1', '[::1]:3']));
  }
});

test('the chosen host is told where others look for it', () => {
  const choose = policyOf({ selectedHostKey: { namespace: 'picker', path: ['served', 'by'] } });
  const context = request('2.2.2.2:2', { kept: 1, served: { lost: 2 } });
  choose(context);
  assert.deepEqual(context.streamInfo.dynamicMetadata, {
    picker: { kept: 1, served: { by: '2.2.2.2:2' } },
  });
});
