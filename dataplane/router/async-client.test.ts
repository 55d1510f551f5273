// Requests of our own over fake pools.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { FakeCluster, FakeClusterManager } from '../../test/fakes/upstream.ts';
import type { AsyncObserver } from '../api/async-client.ts';
import { StreamResetReason } from '../api/codec.ts';
import { RequestHeaders, ResponseHeaders } from '../api/headers.ts';
import { RouterAsyncClient } from './async-client.ts';
import { RouterStats } from './stats.ts';

/** Writes down what it is told. */
class Journal implements AsyncObserver {
  readonly lines: string[] = [];

  decodeHeaders(headers: ResponseHeaders, endStream: boolean): void {
    this.lines.push(`${headers.status}${endStream ? ' end' : ''}`);
  }

  decodeData(data: Buffer, endStream: boolean): void {
    this.lines.push(`${data.toString('latin1')}${endStream ? ' end' : ''}`);
  }

  decodeTrailers(trailers: string[]): void {
    this.lines.push(`trailers ${trailers.join(':')}`);
  }

  onReset(): void {
    this.lines.push('reset');
  }
}

function setUp() {
  const timers = new FakeTimers();
  const cluster = new FakeCluster('c');
  const stats = new RouterStats();
  const client = new RouterAsyncClient(
    {
      clusterManager: new FakeClusterManager(cluster),
      timers,
      clock: timers.clock,
      random: () => 0.5,
      stats,
      dynamicStats: true,
      suppressEnvoyHeaders: false,
      respectExpectedRqTimeout: false,
      retryRuntime: null,
      asyncClient: null,
    },
    '10.9.9.9',
  );
  const journal = new Journal();
  const start = (endStream = true, fields: string[] = [], to = 'c') => {
    const headers = new RequestHeaders('POST', '/check', 'authz', 'http', fields);
    const options = { cluster: to, timeoutMs: 100, bufferLimitBytes: 10, observer: journal };
    return client.start(headers, endStream, options);
  };
  return { timers, cluster, stats, journal, start };
}

test('a request of our own says so, and its answer goes to the observer', () => {
  const { cluster, stats, journal, start, timers } = setUp();
  const request = start(false);
  const [attempt] = cluster.tries;
  attempt?.ready();
  assert.equal(request?.sendData(Buffer.from('ask'), false), true);
  request?.sendTrailers(['t', '1']);
  assert.deepEqual([attempt?.body, attempt?.trailers, attempt?.isEnded], ['ask', ['t', '1'], true]);
  assert.equal(attempt?.headers?.get('x-envoy-internal'), 'true');
  assert.equal(attempt?.headers?.get('x-forwarded-for'), '10.9.9.9');
  attempt?.decoder.decodeHeaders(new ResponseHeaders(200, []), false);
  attempt?.decoder.decodeData(Buffer.from('yes'), false);
  attempt?.decoder.decodeTrailers(['u', '2']);
  assert.deepEqual(journal.lines, ['200', 'yes', 'trailers u:2']);
  assert.equal(stats.rqTotal, 1);
  assert.deepEqual(cluster.stats.charged, [{ status: 200, internal: true, canary: false }]);
  assert.equal(timers.armedCount(), 0);
});

test('who asks in somebody’s name is added to x-forwarded-for', () => {
  const { cluster, start } = setUp();
  start(true, ['x-forwarded-for', '1.2.3.4']);
  cluster.tries[0]?.ready();
  assert.equal(cluster.tries[0]?.headers?.get('x-forwarded-for'), '1.2.3.4,10.9.9.9');
});

test('what fails is answered as a router answers, and what breaks off is a reset', () => {
  const refused = setUp();
  refused.start();
  refused.cluster.tries[0]?.fail(StreamResetReason.RemoteConnectionFailure);
  assert.equal(refused.journal.lines[0], '503');
  assert.match(refused.journal.lines[1] ?? '', /remote connection failure end$/);

  const slow = setUp();
  slow.start();
  slow.cluster.tries[0]?.ready();
  slow.timers.advance(100);
  assert.deepEqual(slow.journal.lines, ['504', 'upstream request timeout end']);
  assert.equal(slow.timers.armedCount(), 0);

  const broken = setUp();
  broken.start();
  const attempt = broken.cluster.tries[0]?.ready();
  attempt?.decoder.decodeHeaders(new ResponseHeaders(200, []), false);
  attempt?.resetByPeer(StreamResetReason.RemoteReset);
  assert.deepEqual(broken.journal.lines, ['200', 'reset']);
});

test('no cluster, no request', () => {
  const { journal, stats, start } = setUp();
  assert.equal(start(true, [], 'none'), null);
  assert.deepEqual(journal.lines, []);
  assert.equal(stats.rqTotal, 0);
});

test('who cancels hears no more', () => {
  const { cluster, journal, start, timers } = setUp();
  const request = start();
  const attempt = cluster.tries[0]?.ready();
  request?.cancel();
  assert.notEqual(attempt?.resetBy, null);
  request?.cancel();
  assert.equal(request?.sendData(Buffer.from('late'), true), true);
  assert.deepEqual(journal.lines, []);
  assert.equal(timers.armedCount(), 0);
});

test('sendData tells when more than the limit waits for an upstream that does not read', () => {
  const { cluster, start } = setUp();
  const request = start(false);
  // No connection yet: ten bytes wait, and with the eleventh it is full.
  assert.equal(request?.sendData(Buffer.from('12345678901'), false), true);
  assert.equal(request?.sendData(Buffer.from('1234567890'), false), true);
  assert.equal(request?.sendData(Buffer.from('1'), false), false);
  const attempt = cluster.tries[0]?.ready();
  assert.equal(attempt?.body, '123456789011234567890');
  assert.equal(request?.sendData(Buffer.from('2'), true), true);
  assert.equal(attempt?.body, '1234567890112345678902');
});
