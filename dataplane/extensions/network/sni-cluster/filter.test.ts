import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeConnection } from '../../../../test/fakes/connection.ts';
import { NetworkFilterScenario } from '../../../../test/fakes/network-filter.ts';
import { sniClusterFilterFactory } from './filter.ts';

test('sni_cluster names the cluster by the server name, or leaves it to tcp_proxy', () => {
  const subject = new NetworkFilterScenario(sniClusterFilterFactory, null);
  const named = new FakeConnection();
  named.requestedServerName = 'orders.example';
  const { filter, streamInfo } = subject.open(named);
  filter.onNewConnection();
  assert.equal(streamInfo.filterState?.get('envoy.tcp_proxy.cluster'), 'orders.example');
  const nameless = subject.open();
  nameless.filter.onNewConnection();
  assert.equal(nameless.streamInfo.filterState, null);
});
