import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFilterData } from '../../../../test/fakes/config.ts';
import { FakeConnection } from '../../../../test/fakes/connection.ts';
import { NetworkFilterScenario } from '../../../../test/fakes/network-filter.ts';
import { setConnectionFilterState } from './filter.ts';

const NETWORK = 'envoy.extensions.filters.network.set_filter_state.v3.Config';
const sni =
  '{object_key: envoy.tcp_proxy.cluster, format_string: {text_format_source: {inline_string: "%REQUESTED_SERVER_NAME%"}}}';

test('a connection gets its values before tcp_proxy reads them', () => {
  const data = readFilterData(NETWORK, `on_new_connection: [${sni}]`);
  const connection = new FakeConnection();
  connection.requestedServerName = 'orders';
  const { filter, streamInfo } = new NetworkFilterScenario(setConnectionFilterState, data).open(
    connection,
  );
  filter.onNewConnection();
  assert.equal(streamInfo.filterState?.get('envoy.tcp_proxy.cluster'), 'orders');
});
