import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeConnection } from '../../test/fakes/connection.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import type { LogContext } from '../api/access-log.ts';
import { ConnectionCloseType } from '../api/connection.ts';
import {
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../api/network-filter.ts';
import { HttpStreamInfo } from '../http/stream-info.ts';
import type { SocketConnection } from '../network/connection.ts';
import { DownstreamConnection } from './downstream-connection.ts';
import type { FilterChain } from './filter-chain.ts';
import { ListenerStats } from './listener-stats.ts';

const { Continue, StopIteration } = NetworkFilterStatus;

/** Notes what it sees; does what the test says. */
class ScriptedFilter implements ReadFilter {
  onNew: NetworkFilterStatus = Continue;
  onBytes: NetworkFilterStatus = Continue;
  callbacks!: ReadFilterCallbacks; // set before anything else is called
  readonly #name: string;
  readonly #journal: string[];

  constructor(name: string, journal: string[]) {
    this.#name = name;
    this.#journal = journal;
  }

  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void {
    this.callbacks = callbacks;
  }

  onNewConnection(): NetworkFilterStatus {
    this.#journal.push(`${this.#name} new`);
    return this.onNew;
  }

  onData(data: Buffer, endStream: boolean): NetworkFilterStatus {
    this.#journal.push(`${this.#name} ${data.toString()}${endStream ? ' end' : ''}`);
    return this.onBytes;
  }
}

function chainOf(bufferLimitBytes = 1024) {
  const journal: string[] = [];
  const filters = ['a', 'b', 'last'].map((name) => new ScriptedFilter(name, journal));
  filters[2]!.onBytes = StopIteration;
  const logs: LogContext[] = [];
  const connection = Object.assign(new FakeConnection(), {
    bytesSent: 4,
    setReadSink() {},
  });
  const timers = new FakeTimers();
  const chain = {
    networkFilters: filters.map((filter) => ({ createFilter: () => filter, startDrain() {} })),
    connections: new Set(),
    onConnectionClosed: () => journal.push('closed'),
  };
  const info = new HttpStreamInfo(connection, '', '', 0, 0);
  const stats = new ListenerStats();
  const bugs: unknown[] = [];
  // A socket and a chain as far as the runner uses them.
  const downstream = new DownstreamConnection(
    connection as unknown as SocketConnection,
    info,
    chain as unknown as FilterChain,
    {
      stats,
      clock: timers.clock,
      accessLogs: [{ log: (context) => logs.push(context) }],
      bufferLimitBytes,
      worker: { reportBug: (thrown) => bugs.push(thrown) },
    },
  );
  return {
    downstream,
    connection,
    filters,
    logs,
    bugs,
    stats,
    send: (text: string, end = false) => downstream.onData(Buffer.from(text), end),
    seen: () => journal.splice(0),
  };
}

test('bytes go through the filters in order, the last takes them', () => {
  const { downstream, send, seen, connection } = chainOf();
  downstream.start();
  assert.deepEqual(seen(), ['a new', 'b new', 'last new']);
  send('x');
  send('', true);
  assert.deepEqual(seen(), ['a x', 'b x', 'last x', 'a  end', 'b  end', 'last  end']);
  assert.equal(connection.readDisableCount, 0);
});

test('a filter that stops a new connection lets it pass with the first bytes, or when it continues', () => {
  const { downstream, filters, send, seen } = chainOf();
  filters[0]!.onNew = StopIteration;
  downstream.start();
  assert.deepEqual(seen(), ['a new']);
  send('x');
  assert.deepEqual(seen(), ['a x', 'b new', 'b x', 'last new', 'last x']);

  const other = chainOf();
  other.filters[1]!.onNew = StopIteration;
  other.downstream.start();
  other.filters[1]!.callbacks.continueReading();
  assert.deepEqual(other.seen(), ['a new', 'b new', 'last new']);
  other.filters[1]!.callbacks.continueReading();
  assert.deepEqual(other.seen(), [], 'nothing was stopped');
});

test('bytes that a filter holds come to those behind it when it continues, with the end', () => {
  const { downstream, filters, send, seen } = chainOf();
  filters[1]!.onBytes = StopIteration;
  downstream.start();
  seen();
  send('x');
  send('y', true);
  assert.deepEqual(seen(), ['a x', 'b x', 'a xy end', 'b xy end']);
  filters[1]!.callbacks.continueReading();
  assert.deepEqual(seen(), ['last xy end']);
  filters[1]!.onBytes = Continue;
  send('z');
  assert.deepEqual(seen(), ['a z', 'b z', 'last z'], 'nothing held is left');
});

test('held bytes stop the reading at the buffer limit, not one byte before', () => {
  const { downstream, filters, send, connection } = chainOf(4);
  filters[0]!.onBytes = StopIteration;
  downstream.start();
  send('123');
  assert.equal(connection.readDisableCount, 0);
  send('4');
  assert.equal(connection.readDisableCount, 1);
  send('5');
  assert.equal(connection.readDisableCount, 1, 'counted once');
  filters[0]!.callbacks.continueReading();
  assert.equal(connection.readDisableCount, 0);
});

test('after a filter has closed nobody behind it is asked', () => {
  const { downstream, filters, seen, connection, stats } = chainOf();
  filters[0]!.onNewConnection = () => {
    connection.close(ConnectionCloseType.NoFlush);
    return Continue;
  };
  downstream.start();
  assert.deepEqual(seen(), ['closed']);
  assert.equal(stats.cxActive, 0);
});

test('the listener logs each connection once, at its end, with its bytes', () => {
  const { downstream, connection, logs, send } = chainOf();
  downstream.start();
  send('abc');
  assert.equal(logs.length, 0);
  connection.connectionTerminationDetails = 'why';
  connection.remoteClose();
  assert.equal(logs.length, 1);
  const { streamInfo, type } = logs[0]!;
  assert.deepEqual(
    [streamInfo.bytesReceived, streamInfo.bytesSent, streamInfo.connectionTerminationDetails, type],
    [3, 4, 'why', 'NotSet'],
  );
});

test('JS-05 a throw in a network filter costs this connection, is counted and logged', () => {
  const { downstream, filters, send, connection, bugs, logs } = chainOf();
  downstream.start();
  filters[1]!.onData = () => {
    throw new Error('a bug');
  };
  send('x');
  assert.equal(connection.isOpen(), false);
  assert.equal(connection.connectionTerminationDetails, 'filter_exception');
  assert.equal(bugs.length, 1);
  assert.equal(logs.length, 1);
});
