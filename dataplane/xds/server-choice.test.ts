import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { FakeControlPlane } from '../../test/fakes/ads-channel.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { AdsTransport } from './ads-transport.ts';
import { ServerChoice } from './server-choice.ts';
import { ControlPlaneStats } from './xds-stats.ts';

test('the failover is called after two failures of a primary that never told anything, then both in turn', () => {
  const choice = new ServerChoice(true);
  const called = [choice.index];
  for (let i = 0; i < 6; i++) {
    choice.onClosed();
    called.push(choice.index);
  }
  assert.deepEqual(called, [0, 0, 1, 0, 1, 0, 1]);
});

test('a primary that told anything is the only one from then on', () => {
  const choice = new ServerChoice(true);
  choice.onMessage();
  for (let i = 0; i < 5; i++) {
    choice.onClosed();
    assert.equal(choice.index, 0);
  }
});

test('a failover is kept while its stream lasts; the primary hears nothing of its versions', () => {
  const choice = new ServerChoice(true);
  choice.onClosed();
  choice.onClosed();
  assert.ok(!choice.isOther, 'nothing is held');
  choice.onMessage();
  assert.ok(!choice.isOther);
  choice.onClosed();
  assert.equal(choice.index, 0);
  assert.ok(choice.isOther);
  choice.onMessage();
  assert.ok(!choice.isOther);
});

test('the transport dials the failover, says 2 as its state, and goes back when that is lost', () => {
  const [primary, failover] = [new FakeControlPlane(), new FakeControlPlane()];
  const timers = new FakeTimers();
  const stats = new ControlPlaneStats();
  const opened: boolean[] = [];
  const transport = new AdsTransport(
    {
      servers: [primary, failover].map(({ factory }) => ({ channelFactory: factory })),
      path: '/p',
      random: () => 0,
      clock: timers.clock,
      timers,
      logger: silentLogger(),
      stats,
    },
    { onOpen: (isOther) => opened.push(isOther), onMessage: () => {}, onClosed: () => {} },
  );
  transport.start();
  primary.call.close();
  timers.advance(1);
  primary.call.close();
  timers.advance(1);
  failover.call.connect();
  assert.equal(stats.connectedState, 2);
  failover.call.message(Buffer.from('good'));
  failover.call.close();
  timers.advance(1);
  primary.call.connect();
  assert.equal(stats.connectedState, 1);
  assert.equal(primary.calls.length, 3);
  assert.deepEqual(opened, [false, false, false, true]);
  transport.stop();
});

test('a failover that is given up over its answer does not pass for the primary', () => {
  const [primary, failover] = [new FakeControlPlane(), new FakeControlPlane()];
  const timers = new FakeTimers();
  const opened: boolean[] = [];
  const transport: AdsTransport = new AdsTransport(
    {
      servers: [primary, failover].map(({ factory }) => ({ channelFactory: factory })),
      path: '/p',
      random: () => 0,
      clock: timers.clock,
      timers,
      logger: silentLogger(),
      stats: new ControlPlaneStats(),
    },
    {
      onOpen: (isOther) => opened.push(isOther),
      onMessage: () => transport.send(Buffer.from('answer')),
      onClosed: () => {},
    },
  );
  transport.start();
  for (let i = 0; i < 2; i++) {
    primary.call.close();
    timers.advance(1);
  }
  failover.call.message(Buffer.from('good'));
  failover.call.queued = 1_000_000;
  failover.call.message(Buffer.from('good, and does not read'));
  timers.advance(1);
  assert.deepEqual(opened, [false, false, false, true], 'the primary is told no versions');
  // As if it had never told anything, which is true.
  for (let i = 0; i < 2; i++) {
    primary.call.close();
    timers.advance(1);
  }
  assert.equal(failover.calls.length, 2);
  transport.stop();
});
