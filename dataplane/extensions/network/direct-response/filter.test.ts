import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkFilterData, networkFilterErrors } from '../../../../test/fakes/config.ts';
import { NetworkFilterScenario } from '../../../../test/fakes/network-filter.ts';
import { ConnectionCloseType } from '../../../api/connection.ts';
import { directResponseFilterFactory } from './filter.ts';

const DIRECT_RESPONSE = 'envoy.extensions.filters.network.direct_response.v3.Config';

test('direct_response says its piece to a new connection and closes', () => {
  const data = networkFilterData(DIRECT_RESPONSE, 'response: {inline_string: "hi there"}');
  const subject = new NetworkFilterScenario(directResponseFilterFactory, structuredClone(data));
  const { connection, filter, streamInfo } = subject.open();
  filter.onNewConnection();
  assert.equal(connection.written, 'hi there');
  assert.equal(connection.closedBy, ConnectionCloseType.FlushWrite);
  assert.equal(streamInfo.responseCodeDetails, 'direct_response');
  assert.match(
    networkFilterErrors(DIRECT_RESPONSE, 'response: {filename: nowhere}')[0] ?? '',
    /^response\.filename: cannot read 'nowhere'/,
  );
});
