import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { FakeControlPlane } from '../../test/fakes/ads-channel.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { AdsTransport } from './ads-transport.ts';
import { ControlPlaneStats } from './xds-stats.ts';

function setUp(onMessage: (bytes: Uint8Array) => void = () => {}) {
  const server = new FakeControlPlane();
  const timers = new FakeTimers();
  const stats = new ControlPlaneStats();
  const events: string[] = [];
  const transport = new AdsTransport(
    {
      servers: [{ channelFactory: server.factory }],
      path: '/p',
      random: () => 0.999_999,
      clock: timers.clock,
      timers,
      logger: silentLogger(),
      stats,
    },
    { onOpen: () => events.push('open'), onMessage, onClosed: () => events.push('closed') },
  );
  return { server, timers, stats, events, transport };
}

test('backs off 500 ms, doubling to 30 s, and starts over after a good message', () => {
  const { server, timers, transport } = setUp();
  transport.start();
  const waits: number[] = [];
  for (let i = 0; i < 9; i++) {
    const before = timers.clock.nowMs();
    server.call.close();
    const calls = server.calls.length;
    while (server.calls.length === calls) timers.advance(100);
    waits.push(timers.clock.nowMs() - before);
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  server.call.message(Buffer.from('good'));
  server.call.close();
  const calls = server.calls.length;
  timers.advance(500);
  assert.equal(server.calls.length, calls + 1);
});

test('a peer that sends only garbage is called less and less often, each time counted', () => {
  const { server, timers, stats, events, transport } = setUp(() => {
    throw new Error('no');
  });
  transport.start();
  server.call.message(Buffer.from([0xff]));
  assert.equal(stats.malformedResponses, 1);
  assert.ok(server.call.isCancelled);
  timers.advance(500);
  server.call.message(Buffer.from([0xff]));
  timers.advance(999);
  assert.equal(server.calls.length, 2);
  timers.advance(1);
  assert.equal(server.calls.length, 3);
  assert.deepEqual(events, ['open', 'closed', 'open', 'closed', 'open']);
});

test('what an earlier call still says is not heard', () => {
  const messages: string[] = [];
  const { server, timers, events, transport } = setUp((bytes) => messages.push(String(bytes)));
  transport.start();
  const old = server.call;
  old.close();
  timers.advance(500);
  old.message(Buffer.from('late'));
  old.close();
  old.connect();
  assert.deepEqual(messages, []);
  assert.deepEqual(events, ['open', 'closed', 'open']);
});

test('connected_state follows the connection, not the attempts', () => {
  const { server, stats, transport } = setUp();
  transport.start();
  assert.equal(stats.connectedState, 0);
  server.call.connect();
  assert.equal(stats.connectedState, 1);
  server.call.close();
  assert.equal(stats.connectedState, 0);
});

test('a connection that does not come about is given up', () => {
  const { server, timers, transport } = setUp();
  transport.start();
  timers.advance(5000);
  assert.ok(server.call.isCancelled);
  timers.advance(500);
  assert.equal(server.calls.length, 2);
  server.call.connect();
  timers.advance(60_000);
  assert.ok(!server.call.isCancelled);
});

test('a channel that cannot be made is tried again', () => {
  const { server, timers, events, transport } = setUp();
  server.failure = new Error('no certificate yet');
  transport.start();
  assert.deepEqual(events, ['closed']);
  server.failure = null;
  timers.advance(500);
  assert.deepEqual(events, ['closed', 'open']);
});

test('a server that sends but does not read is left', () => {
  const { server, transport } = setUp();
  transport.start();
  server.call.queued = 10_001;
  transport.send(Buffer.from('x'));
  assert.ok(server.call.isCancelled);
});

test('stop leaves no timer, no call and no channel', () => {
  const { server, timers, transport } = setUp();
  transport.start();
  transport.stop();
  assert.ok(server.call.isCancelled);
  assert.equal(server.openChannels, 0);
  assert.equal(timers.armedCount(), 0);
  transport.send(Buffer.from('dropped'));
  assert.deepEqual(server.call.sent, []);
});
