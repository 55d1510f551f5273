import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  networkFilterErrors,
  readFilterData,
  readFilterErrors,
} from '../../../../test/fakes/config.ts';
import { NetworkFilterScenario } from '../../../../test/fakes/network-filter.ts';
import { ConnectionCloseType } from '../../../api/connection.ts';
import { NetworkFilterStatus } from '../../../api/network-filter.ts';
import type { ConnectionLimitData } from './data.ts';
import { connectionLimitFilterFactory } from './filter.ts';

const { Continue, StopIteration } = NetworkFilterStatus;
const TYPE = 'envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit';

function limitData(given: Partial<ConnectionLimitData> = {}): ConnectionLimitData {
  return {
    statPrefix: 'cl',
    maxConnections: 2,
    delayMs: 0,
    isEnabled: true,
    count: new SharedArrayBuffer(4),
    ...given,
  };
}

const scenario = (data: ConnectionLimitData) =>
  new NetworkFilterScenario(connectionLimitFilterFactory, data);

test('lets max_connections in and closes the next, until one has gone', () => {
  const subject = scenario(limitData());
  const [first, second, third] = [subject.open(), subject.open(), subject.open()];
  assert.equal(first.filter.onNewConnection(), Continue);
  assert.equal(second.filter.onNewConnection(), Continue);
  assert.equal(third.filter.onNewConnection(), StopIteration);
  assert.equal(third.connection.closedBy, ConnectionCloseType.NoFlush);
  assert.equal(third.streamInfo.downstreamLocalCloseReason, 'over_connection_limit');
  assert.equal(subject.stat('connection_limit.cl.limited_connections'), 1);
  assert.equal(subject.stat('connection_limit.cl.active_connections'), 2);
  first.connection.remoteClose();
  assert.equal(subject.stat('connection_limit.cl.active_connections'), 1);
  assert.equal(subject.open().filter.onNewConnection(), Continue);
  assert.equal(subject.open().filter.onNewConnection(), StopIteration);
});

test('a refused connection waits for `delay`, with what it sends held', () => {
  const subject = scenario(limitData({ maxConnections: 1, delayMs: 500 }));
  subject.open().filter.onNewConnection();
  const refused = subject.open();
  assert.equal(refused.filter.onNewConnection(), StopIteration);
  assert.equal(refused.filter.onData(Buffer.from('x'), false), StopIteration);
  assert.equal(subject.stat('connection_limit.cl.active_connections'), 2, 'as Envoy counts');
  subject.timers.advance(499);
  assert.equal(refused.connection.isOpen(), true);
  subject.timers.advance(1);
  assert.equal(refused.connection.isOpen(), false);

  const impatient = subject.open();
  impatient.filter.onNewConnection();
  impatient.connection.remoteClose();
  subject.timers.advance(500);
  assert.equal(subject.stat('connection_limit.cl.active_connections'), 1);
});

test('the limit is one for all workers', () => {
  const data = limitData();
  const subject = scenario(data);
  const elsewhere = subject.inAnotherWorker(data);
  assert.equal(subject.open().filter.onNewConnection(), Continue);
  assert.equal(subject.open(undefined, elsewhere).filter.onNewConnection(), Continue);
  assert.equal(subject.open(undefined, elsewhere).filter.onNewConnection(), StopIteration);
});

test('switched off by runtime_enabled it neither limits nor counts', () => {
  const subject = scenario(limitData({ maxConnections: 1, isEnabled: false }));
  for (let i = 0; i < 3; i++) assert.equal(subject.open().filter.onNewConnection(), Continue);
  assert.equal(subject.stat('connection_limit.cl.active_connections'), 0);
});

test('config: every filter has a count of its own; the limit is required and at least 1', () => {
  const body = 'stat_prefix: cl, max_connections: 5, delay: 0.25s';
  const made = readFilterData(TYPE, body) as ConnectionLimitData; // config.ts makes it
  assert.deepEqual(
    { ...made, count: made.count.byteLength },
    { statPrefix: 'cl', maxConnections: 5, delayMs: 250, isEnabled: true, count: 4 },
  );
  const other = readFilterData(TYPE, body) as ConnectionLimitData; // as above
  assert.notEqual(made.count, other.count);
  const huge = readFilterData(TYPE, 'stat_prefix: cl, max_connections: "18446744073709551615"');
  assert.equal((huge as ConnectionLimitData).maxConnections, 2 ** 31 - 1);
  assert.deepEqual(readFilterErrors(TYPE, 'stat_prefix: cl'), ['max_connections: is required']);
  assert.equal(readFilterErrors(TYPE, 'stat_prefix: cl, max_connections: 0').length, 1);
});

test('config: alone in its chain it is refused with its path', () => {
  assert.deepEqual(networkFilterErrors(TYPE, 'stat_prefix: cl, max_connections: 5'), [
    'filter_chains[0].filters[0]: non-terminal filter named f of type envoy.filters.network.connection_limit is the last filter',
  ]);
});
