import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Caller, OK, poolScenario } from '../../../test/fakes/http-pool.ts';
import { ConnectionUse } from '../../api/cluster.ts';

function caller(): [Caller, Caller] {
  const one = new Caller();
  return [one, one];
}

test('per_host_thresholds hold back a connection, but not the first of a pool', () => {
  const { host, resources, stats, connections, request, pool } = poolScenario({
    maxConnectionsPerHost: 1,
  });
  request();
  request();
  assert.equal(connections.length, 1);
  assert.equal(stats.upstreamCxOverflow, 1);
  assert.equal(
    resources[0].connections.count(),
    1,
    'what the host refuses, the cluster does not count',
  );
  connections[0]!.connect();
  connections[0]!.receive(OK);
  connections[0]!.receive(OK);
  assert.equal(stats.upstreamRqTotal, 2, 'both went over the one');
  const other = host.pools.http(1, 'HTTP/1.1')!;
  other.newStream(...caller(), ConnectionUse.Any);
  assert.equal(connections.length, 2, 'else it would wait for ever');
  pool.closeAll();
  other.closeAll();
  assert.equal(resources[0].connections.count(), 0);
});

test('max_connection_pools counts pools from their first request until they are empty', () => {
  const { host, resources, stats, connections } = poolScenario({ maxConnectionPools: 1 });
  const { pools } = host;
  const first = pools.httpNamed(0, 'HTTP/1.1', 'a.test')!;
  first.newStream(...caller(), ConnectionUse.Any);
  assert.equal(pools.httpNamed(0, 'HTTP/1.1', 'a.test'), first, 'it is counted once');
  assert.equal(resources[0].connectionPools.count(), 1);
  assert.equal(pools.httpNamed(0, 'HTTP/1.1', 'b.test'), null);
  assert.equal(stats.upstreamCxPoolOverflow, 1);
  assert.notEqual(pools.httpNamed(1, 'HTTP/1.1', 'a.test'), null, 'another priority');
  connections[0]!.connect();
  connections[0]!.remoteClose();
  assert.equal(resources[0].connectionPools.count(), 0);
  assert.notEqual(pools.httpNamed(0, 'HTTP/1.1', 'b.test'), null);
});

test('a pool that nobody uses now makes room for another', () => {
  const { host, resources, connections } = poolScenario({ maxConnectionPools: 1 });
  const idle = host.pools.http(0, 'HTTP/1.1')!;
  idle.newStream(...caller(), ConnectionUse.Any);
  connections[0]!.connect();
  connections[0]!.receive(OK);
  assert.equal(idle.isIdle(), true);
  assert.notEqual(host.pools.http(0, 'HTTP/2'), null);
  assert.equal(connections[0]!.isOpen(), false);
  assert.equal(resources[0].connectionPools.count(), 1);
});

test('a pool whose only request overflowed is not counted', () => {
  const { host, resources } = poolScenario({ maxConnectionPools: 1, maxPendingRequests: 0 });
  host.pools.http(0, 'HTTP/1.1')!.newStream(...caller(), ConnectionUse.Any);
  assert.equal(resources[0].connectionPools.count(), 0);
});

test('a pool that never got a request makes room for another', () => {
  const { host, resources, stats } = poolScenario({ maxConnectionPools: 1 });
  assert.notEqual(host.pools.http(0, 'HTTP/1.1'), null);
  assert.notEqual(host.pools.http(0, 'HTTP/2'), null);
  assert.equal(stats.upstreamCxPoolOverflow, 0);
  assert.equal(resources[0].connectionPools.count(), 1);
});
