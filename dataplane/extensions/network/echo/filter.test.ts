import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NetworkFilterScenario } from '../../../../test/fakes/network-filter.ts';
import { echoFilterFactory } from './filter.ts';

test('echo sends back what it gets and reads no faster than the client does', () => {
  const { connection, filter } = new NetworkFilterScenario(echoFilterFactory, null).open();
  filter.onNewConnection();
  filter.onData(Buffer.from('abc'), false);
  assert.equal(connection.written, 'abc');
  connection.fillWriteBuffer();
  assert.equal(connection.readDisableCount, 1);
  connection.drainWriteBuffer();
  assert.equal(connection.readDisableCount, 0);
});
