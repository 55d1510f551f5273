// What clients may not do, by row of the reliability spec (XD-..), and what a stream does with its time: ages, TTLs.

import assert from 'node:assert/strict';
import { connect } from 'node:http2';
import { createConnection } from 'node:net';
import { describe, test } from 'node:test';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import { type Logger, silentLogger } from '../../common/logger.ts';
import { encodeMessage } from '../../proto/any.ts';
import {
  decodeDeltaDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
  unwrapResource,
} from '../../proto/discovery.ts';
import { startAds, until } from '../../test/fakes/ads-harness.ts';
import { AdsWorld, NODE_ID, nodeBytes } from '../../test/fakes/ads-node.ts';
import { CLIENT_START, FramePeer, frame } from '../../test/fakes/http2.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { assignment, edsCluster, resourceOf } from '../../test/fakes/xds-resources.ts';
import { type NamedKind, typeUrlOfKind } from '../cache/kinds.ts';
import { SnapshotResource } from '../cache/resource.ts';
import { AdsStats } from './ads-stats.ts';
import { PushQueue } from './push-queue.ts';
import { xdsServices } from './services.ts';
import { StreamAdmission } from './stream-admission.ts';

const identity = (bytes: Buffer): Buffer => bytes;
const deltaPath = `/${xdsServices[0]?.name}/${xdsServices[0]?.deltaMethod}`;

function firstRequest(kind: NamedKind = 'cluster'): Buffer {
  return encodeDeltaDiscoveryRequest({
    node: nodeBytes,
    typeUrl: typeUrlOfKind(kind),
    subscribe: [],
    unsubscribe: [],
    initialResourceVersions: new Map(),
    responseNonce: '',
    errorDetail: null,
  });
}

/** A logger that keeps what was warned of. */
function listening(): { logger: Logger; warnings: string[] } {
  const warnings: string[] = [];
  const silent = silentLogger();
  const logger: Logger = {
    ...silent,
    child: () => logger,
    warn: (_fields: object, text: string) => warnings.push(text),
  } as Logger; // the rest is the silent one's
  return { logger, warnings };
}

describe('what a node may ask for', () => {
  test('XD-17: all secrets, another’s secret and a path in a name end the stream, and leave a line', () => {
    for (const name of ['*', 'spiffe://a/other', '../default']) {
      const { logger, warnings } = listening();
      const world = new AdsWorld({
        logger,
        mayAskFor: (_key, kind, asked) =>
          kind === 'secret' && asked !== 'default' ? `no secret of yours is called ${asked}` : null,
      });
      world.publish(resourceOf('secret', 'default', { name: 'default' }));
      for (const node of [world.sotw(), world.delta()]) {
        node.request('secret', { subscribe: ['default', name], resourceNames: ['default', name] });
        assert.equal(node.port.ended?.code, status.PERMISSION_DENIED);
        assert.deepEqual(node.take(), []);
      }
      assert.equal(world.stats.deniedTotal, 2);
      assert.deepEqual(warnings, ['xDS request denied', 'xDS request denied']);
    }
  });

  test('XD-17: secrets are never a wildcard’s', () => {
    const world = new AdsWorld();
    world.publish(resourceOf('secret', 'default', { name: 'default' }));
    for (const node of [world.sotw(), world.delta()]) {
      node.request('secret');
      assert.deepEqual(node.take(), []);
    }
  });

  test('XD-19: a type that is not served gives nothing away', () => {
    const world = new AdsWorld();
    world.publish(edsCluster('a'));
    const typeUrl = 'type.googleapis.com/envoy.service.status.v3.ClientConfig';
    const node = world.delta();
    node.request('cluster', { typeUrl });
    assert.deepEqual(node.take(), []);
    assert.equal(world.stats.unknownTypeTotal, 1);
  });
});

describe('nonces and identity', () => {
  test('XD-12: a replayed nonce, and one of another type, bring nothing and end nothing', () => {
    const world = new AdsWorld();
    world.publish(edsCluster('a'), assignment('a', 1));
    const node = world.sotw();
    node.request('cluster');
    const [clusters] = node.take();
    node.ack(clusters!);
    node.request('endpoint', { resourceNames: ['a'] });
    const [endpoints] = node.take();
    for (let i = 0; i < 20; i++) {
      node.request('endpoint', { resourceNames: ['a'], responseNonce: clusters!.nonce });
      node.ack(clusters!);
    }
    assert.deepEqual(node.take(), []);
    assert.equal(world.stats.staleNonceTotal, 20);
    node.ack(endpoints!, ['a']);
    assert.deepEqual(node.take(), []);
    assert.equal(node.port.ended, null);
  });

  test('XD-15: a node that changes its id is who it was at first', () => {
    const asked: string[] = [];
    const world = new AdsWorld({
      authenticate: (_peer, { id }) => {
        asked.push(id);
        return { ok: true, snapshotKey: id, nodeId: id };
      },
    });
    world.publish(edsCluster('a'));
    const node = world.delta();
    node.request('cluster');
    node.ack(node.take()[0]!);
    node.request('endpoint', {
      node: encodeMessage('envoy.config.core.v3.Node', { id: 'other' }),
    });
    node.request('route', { node: null });
    assert.deepEqual(asked, [NODE_ID]);
    assert.equal(world.tracker.nodes().length, 1);
  });

  test('XD-13: who refuses forever gets one answer per version, and one line of log', () => {
    const { logger, warnings } = listening();
    const world = new AdsWorld({ logger });
    world.publish(edsCluster('a'));
    const nodes = Array.from({ length: 50 }, () => world.delta());
    for (const node of nodes) {
      node.request('cluster');
      const [response] = node.take();
      for (let i = 0; i < 100; i++) node.nack(response!, 'no');
      assert.deepEqual(node.take(), []);
    }
    assert.equal(world.stats.responsesTotal.total, 50);
    assert.ok(warnings.length <= 1, `${warnings.length} lines for one node that is there 50 times`);
  });
});

describe('rates and numbers', () => {
  test('more requests than a burst are not read for a while, and none is lost', () => {
    const world = new AdsWorld({ requestsPerSecond: 10 });
    world.publish();
    const node = world.delta();
    for (let i = 0; i < 50; i++) node.request('endpoint', { subscribe: [`n${i}`] });
    assert.equal(node.port.isPaused, false);
    node.request('endpoint', { subscribe: ['n50'] });
    assert.equal(node.port.isPaused, true);
    assert.equal(world.stats.throttledTotal, 1);
    world.timers.advance(99);
    assert.equal(node.port.isPaused, true);
    world.timers.advance(1);
    assert.equal(node.port.isPaused, false);
    assert.equal(world.tracker.view(NODE_ID)?.subscription('endpoint')?.names.size, 51);
    node.stream.onEnd();
    assert.equal(world.timers.armedCount(), 0);
  });

  test('XD-14: new streams above the rate wait, in order, and are all served', async () => {
    const timers = new FakeTimers();
    const { clock } = timers;
    const harness = await startAds(0, undefined, { timers, clock, streamsPerSecond: 5 });
    harness.publish(NODE_ID, edsCluster('a'));
    const client = new Client(`127.0.0.1:${harness.port}`, credentials.createInsecure());
    let answered = 0;
    const calls = Array.from({ length: 12 }, () => {
      const call = client.makeBidiStreamRequest(deltaPath, identity, identity, new Metadata());
      call.on('error', () => {});
      call.on('data', () => answered++);
      call.write(firstRequest());
      return call;
    });
    await until('the first are served', () => answered === 5);
    await until('the others wait', () => harness.ads.stats.streamsWaiting === 7);
    calls.at(-1)?.cancel();
    await until('one gave up', () => harness.ads.stats.streamsWaiting === 6);
    timers.advance(1000);
    await until('five more', () => answered === 10);
    timers.advance(1000);
    await until('all', () => answered === 11);
    assert.equal(harness.ads.stats.streamsWaiting, 0);
    for (const call of calls) call.cancel();
    client.close();
    harness.close();
  });

  test('one stream more than there may be is sent elsewhere', async () => {
    const harness = await startAds(0, undefined, { maxStreams: 2 });
    harness.publish(NODE_ID, edsCluster('a'));
    const client = new Client(`127.0.0.1:${harness.port}`, credentials.createInsecure());
    const codes: number[] = [];
    let answered = 0;
    const calls = Array.from({ length: 3 }, () => {
      const call = client.makeBidiStreamRequest(deltaPath, identity, identity, new Metadata());
      call.on('error', () => {});
      call.on('data', () => answered++);
      call.on('status', ({ code }) => codes.push(code));
      call.write(firstRequest());
      return call;
    });
    await until('two are served and one is not', () => answered === 2 && codes.length === 1);
    assert.deepEqual(codes, [status.UNAVAILABLE]);
    assert.equal(harness.ads.stats.overloadedTotal, 1);
    for (const call of calls) call.cancel();
    client.close();
    harness.close();
  });

  test('pushes above the rate wait, and bring the newest', async () => {
    const slices: (() => void)[] = [];
    const timers = new FakeTimers();
    const { clock } = timers;
    let opened = 0;
    const harness = await startAds(0, undefined, {
      ...{ timers, clock, pushesPerSecond: 2 },
      schedule: (run) => slices.push(run),
      onStreamOpened: () => opened++,
    });
    const client = new Client(`127.0.0.1:${harness.port}`, credentials.createInsecure());
    let answered = 0;
    const calls = [0, 1, 2].map(() => {
      const call = client.makeBidiStreamRequest(deltaPath, identity, identity, new Metadata());
      call.on('error', () => {});
      call.on('data', () => answered++);
      call.write(firstRequest());
      return call;
    });
    await until('all have asked', () => opened === 3);
    harness.publish(NODE_ID, edsCluster('a'));
    while (slices.length > 0) slices.shift()?.();
    await until('two of three', () => answered === 2);
    assert.equal(harness.ads.queueDepth, 1);
    timers.advance(500);
    while (slices.length > 0) slices.shift()?.();
    await until('the third', () => answered === 3);
    for (const call of calls) call.cancel();
    client.close();
    harness.close();
  });
});

describe('ages and TTLs', () => {
  test('a stream ends at its age, give or take a tenth, orderly', async () => {
    const timers = new FakeTimers();
    const { clock } = timers;
    const harness = await startAds(0, undefined, {
      ...{ timers, clock, maxStreamAgeMs: 60_000, random: () => 0 },
    });
    harness.publish(NODE_ID, edsCluster('a'));
    const client = new Client(`127.0.0.1:${harness.port}`, credentials.createInsecure());
    const call = client.makeBidiStreamRequest(deltaPath, identity, identity, new Metadata());
    let code: number | null = null;
    call.on('status', (outcome) => {
      code = outcome.code;
    });
    let nonce = '';
    call.on('data', (bytes: Buffer) => {
      nonce = decodeDeltaDiscoveryResponse(bytes).nonce;
    });
    call.write(firstRequest());
    await until('it was answered', () => nonce !== '');
    timers.advance(54_000);
    assert.equal(harness.ads.stats.agedStreamsTotal, 0, 'in the middle of a pass it may finish');
    call.write(
      encodeDeltaDiscoveryRequest({
        node: null,
        typeUrl: typeUrlOfKind('cluster'),
        subscribe: [],
        unsubscribe: [],
        initialResourceVersions: new Map(),
        responseNonce: nonce,
        errorDetail: null,
      }),
    );
    await until('the ACK came', () => harness.ads.stats.acksTotal.total === 1);
    timers.advance(500);
    await until('it ended', () => code !== null);
    assert.equal(code, status.OK);
    assert.equal(harness.ads.stats.agedStreamsTotal, 1);
    client.close();
    harness.close();
  });

  const withTtl = (name: string, ttlMs: number | null) =>
    SnapshotResource.ofMessage('endpoint', name, { cluster_name: name }, { ttlMs });

  test('TTLs go to those who understand them, and are renewed in half of the time', () => {
    for (const protocol of ['delta', 'sotw'] as const) {
      const feature =
        protocol === 'delta'
          ? 'xds.config.supports-resource-ttl'
          : 'xds.config.supports-resource-in-sotw';
      const world = new AdsWorld();
      world.publish(withTtl('a', 4000), withTtl('b', null));
      const able = encodeMessage('envoy.config.core.v3.Node', {
        id: NODE_ID,
        client_features: [feature],
      });
      const { clock } = world.timers;
      if (protocol === 'delta') {
        const node = world.delta();
        node.request('endpoint', { node: able, subscribe: ['a', 'b'] });
        node.ack(node.take()[0]!);
        node.stream.heartbeat(clock.nowMs());
        world.timers.advance(1999);
        node.stream.heartbeat(clock.nowMs());
        assert.deepEqual(node.take(), []);
        world.timers.advance(1);
        node.stream.heartbeat(clock.nowMs());
        const [beat] = node.take();
        assert.deepEqual(
          beat?.resources.map(({ name, resource }) => [name, resource]),
          [['a', null]],
        );
        world.timers.advance(4000);
        node.stream.heartbeat(clock.nowMs());
        assert.deepEqual(node.take(), [], 'one at a time');
        node.ack(beat!);
        node.stream.heartbeat(clock.nowMs());
        assert.equal(node.take().length, 1);
        continue;
      }
      const node = world.sotw();
      node.request('endpoint', { node: able, resourceNames: ['a', 'b'] });
      const [response] = node.take();
      const wrapped = response?.resources.map(unwrapResource);
      assert.deepEqual(
        wrapped?.map((one) => one?.name),
        ['a', undefined],
      );
      node.ack(response!, ['a', 'b']);
      node.stream.heartbeat(clock.nowMs());
      world.timers.advance(2000);
      node.stream.heartbeat(clock.nowMs());
      const [beat] = node.take();
      assert.equal(unwrapResource(beat!.resources[0]!)?.resource, null);
    }
  });

  const ableNode = encodeMessage('envoy.config.core.v3.Node', {
    id: NODE_ID,
    client_features: ['xds.config.supports-resource-ttl'],
  });

  test('a TTL that is shorter than the one before is renewed in half of its own time', () => {
    const world = new AdsWorld();
    const { clock } = world.timers;
    world.publish(withTtl('a', 60_000));
    const node = world.delta();
    node.request('endpoint', { node: ableNode, subscribe: ['a', 'b'] });
    node.ack(node.take()[0]!);
    node.stream.heartbeat(clock.nowMs());
    world.publish(withTtl('a', 60_000), withTtl('b', 2000));
    node.ack(node.take()[0]!);
    node.stream.heartbeat(clock.nowMs());
    world.timers.advance(1000);
    node.stream.heartbeat(clock.nowMs());
    assert.equal(node.take().length, 1);
  });

  test('another TTL or alias of the same content is news', () => {
    const world = new AdsWorld();
    world.publish(withTtl('a', 60_000));
    const node = world.delta();
    node.request('endpoint', { node: ableNode, subscribe: ['a', 'other'] });
    node.ack(node.take()[0]!);
    world.publish(withTtl('a', 4000));
    const [shorter] = node.take();
    assert.equal(shorter?.resources.length, 1);
    node.ack(shorter!);
    const content = { cluster_name: 'a' };
    const options = { ttlMs: 4000, aliases: ['other'] };
    world.publish(SnapshotResource.ofMessage('endpoint', 'a', content, options));
    assert.deepEqual(node.take()[0]?.resources[0]?.aliases, ['other']);
  });

  test('TTLs are renewed while another type waits for its answer', () => {
    const world = new AdsWorld();
    const { clock } = world.timers;
    world.publish(withTtl('a', 4000), edsCluster('a'));
    const node = world.delta();
    node.request('endpoint', { node: ableNode, subscribe: ['a'] });
    node.ack(node.take()[0]!);
    node.stream.heartbeat(clock.nowMs());
    node.request('cluster');
    // Endpoints are owed to a cluster that was sent; the cluster itself stays unanswered.
    for (const response of node.take()) {
      if (response.typeUrl === typeUrlOfKind('endpoint')) node.ack(response);
    }
    world.timers.advance(2000);
    node.stream.heartbeat(clock.nowMs());
    const [beat] = node.take();
    assert.deepEqual(
      beat?.resources.map(({ name, resource }) => [name, resource]),
      [['a', null]],
    );
  });

  test('in SotW the heartbeat of a whole type keeps what has no TTL', () => {
    const world = new AdsWorld();
    const mortal = SnapshotResource.ofMessage('cluster', 'a', { name: 'a' }, { ttlMs: 4000 });
    world.publish(mortal, edsCluster('b'));
    const node = world.sotw();
    const able = encodeMessage('envoy.config.core.v3.Node', {
      id: NODE_ID,
      client_features: ['xds.config.supports-resource-in-sotw'],
    });
    node.request('cluster', { node: able });
    const [response] = node.take();
    node.ack(response!);
    node.stream.heartbeat(world.timers.clock.nowMs());
    world.timers.advance(2000);
    node.stream.heartbeat(world.timers.clock.nowMs());
    const [beat] = node.take();
    assert.equal(beat?.versionInfo, response?.versionInfo);
    assert.deepEqual(
      beat?.resources.map((any) => unwrapResource(any)?.resource ?? any.typeUrl),
      ['type.googleapis.com/envoy.service.discovery.v3.Resource', typeUrlOfKind('cluster')],
    );
  });

  test('a client that does not understand TTLs sees none', () => {
    const world = new AdsWorld();
    world.publish(withTtl('a', 4000));
    const node = world.sotw();
    node.request('endpoint', { resourceNames: ['a'] });
    const [response] = node.take();
    assert.equal(response?.resources[0]?.typeUrl, typeUrlOfKind('endpoint'));
    node.ack(response!, ['a']);
    world.timers.advance(10_000);
    node.stream.heartbeat(world.timers.clock.nowMs());
    assert.deepEqual(node.take(), []);
  });
});

describe('rates below one a second', () => {
  test('streams come one by one', () => {
    const timers = new FakeTimers();
    const stats = new AdsStats();
    const { clock } = timers;
    const limits = { maxStreams: 0, streamsPerSecond: 0.5 };
    const admission = new StreamAdmission({ clock, timers, stats, ...limits });
    const begun: number[] = [];
    for (let i = 0; i < 2; i++) admission.offer({ begin: () => begun.push(i) });
    timers.advance(2000);
    timers.advance(2000);
    assert.deepEqual(begun, [0, 1]);
  });

  test('pushes come one by one', () => {
    const timers = new FakeTimers();
    const limits = { streamsPerTurn: 32, streamsPerSecond: 0.5 };
    const turns: (() => void)[] = [];
    const schedule = (run: () => void) => void turns.push(run);
    const pushes = new PushQueue({ clock: timers.clock, timers, schedule, ...limits });
    let pumped = 0;
    const idle = { isBusy: false, noteChange() {}, heartbeat() {}, end() {} };
    for (let i = 0; i < 2; i++) pushes.add({ ...idle, pump: () => pumped++ });
    for (let i = 0; i < 10; i++) {
      turns.shift()?.();
      timers.advance(500);
    }
    assert.equal(pumped, 2);
  });
});

describe('gates of a library user', () => {
  test('one that throws costs the stream, not the process', () => {
    const gate = () => {
      throw new Error('a bug of the user');
    };
    for (const world of [new AdsWorld({ authenticate: gate }), new AdsWorld({ mayAskFor: gate })]) {
      const node = world.delta();
      node.request('secret', { subscribe: ['a'] });
      assert.equal(node.port.ended?.code, status.INTERNAL);
      assert.equal(world.stats.streamsActive, 0);
    }
  });

  test('a node that makes much of itself is refused, or cut', () => {
    for (const own of [
      { id: 'x'.repeat(1025) },
      { id: 'n', locality: { zone: 'x'.repeat(1025) } },
    ]) {
      const node = new AdsWorld().delta();
      node.request('cluster', { node: encodeMessage('envoy.config.core.v3.Node', own) });
      assert.equal(node.port.ended?.code, status.INVALID_ARGUMENT);
    }
    const world = new AdsWorld();
    const talkative = { id: NODE_ID, user_agent_name: 'x'.repeat(100_000) };
    const node = world.delta();
    node.request('cluster', { node: encodeMessage('envoy.config.core.v3.Node', talkative) });
    assert.equal(world.tracker.node(NODE_ID)?.userAgent.length, 1024);
  });

  test('a reason that repeats what the client said fits into a header', () => {
    const world = new AdsWorld({ mayAskFor: (_key, _kind, name) => `no ${name}` });
    const node = world.delta();
    node.request('secret', { subscribe: ['x'.repeat(100_000)] });
    assert.equal(node.port.ended?.details.length, 1024);
  });
});

describe('collections (LEDS)', () => {
  const base = 'xdstp://a/envoy.config.endpoint.v3.LbEndpoint/orders';
  const member = (name: string, port: number) =>
    resourceOf('locality-endpoint', `${base}/${name}`, {
      endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
    });
  const names = (node: ReturnType<AdsWorld['delta']>) => {
    const seen: string[] = [];
    for (let responses = node.take(); responses.length > 0; responses = node.take()) {
      for (const response of responses) {
        for (const { name } of response.resources) seen.push(`+${name.slice(base.length)}`);
        for (const name of response.removedResources) seen.push(`-${name.slice(base.length)}`);
        node.ack(response);
      }
    }
    return seen;
  };

  test('a name that ends in /* brings what is directly below, and its changes', () => {
    const world = new AdsWorld();
    world.publish(member('1', 1), member('2', 2), member('deeper/3', 3));
    const node = world.delta();
    node.request('locality-endpoint', { subscribe: [`${base}/*`] });
    assert.deepEqual(names(node), ['+/1', '+/2']);
    world.publish(member('1', 1), member('2', 20), member('4', 4), member('deeper/3', 30));
    assert.deepEqual(names(node), ['+/2', '+/4']);
    world.publish(member('1', 1), member('deeper/3', 30));
    assert.deepEqual(names(node), ['-/2', '-/4']);
    node.request('locality-endpoint', { unsubscribe: [`${base}/*`] });
    world.publish(member('1', 100));
    assert.deepEqual(names(node), []);
  });

  test('an empty collection is said to be empty, and filled when there is something', () => {
    const world = new AdsWorld();
    world.publish();
    const node = world.delta();
    node.request('locality-endpoint', { subscribe: [`${base}/*`] });
    assert.deepEqual(names(node), ['-/*']);
    world.publish(member('1', 1));
    assert.deepEqual(names(node), ['+/1']);
  });
});

test('a peer that answers no pings is let go', async () => {
  const harness = await startAds(
    0,
    undefined,
    {},
    { 'grpc.keepalive_time_ms': 50, 'grpc.keepalive_timeout_ms': 50 },
  );
  harness.publish(NODE_ID, edsCluster('a'));
  // It asks, and from then on says nothing: it does not even read.
  const socket = createConnection(harness.port, '127.0.0.1');
  socket.on('error', () => {});
  const headers = [':method', 'POST', ':scheme', 'http', ':path', deltaPath, ':authority', 'x'];
  const message = firstRequest();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const END_HEADERS = 4;
  socket.write(
    Buffer.concat([
      CLIENT_START,
      new FramePeer().headers(1, END_HEADERS, [
        ...headers,
        'content-type',
        'application/grpc',
        'te',
        'trailers',
      ]),
      frame(0, 0, 1, Buffer.concat([prefix, message])),
    ]),
  );
  await until('it is there', () => harness.ads.tracker.connectedCount === 1);
  await until('it is gone', () => harness.ads.stats.streamsActive === 0);
  assert.equal(harness.ads.tracker.connectedCount, 0);
  socket.destroy();
  harness.close();
});

describe('XD-24: broken gRPC frames', () => {
  const frames: readonly (readonly [string, Buffer])[] = [
    ['a compressed flag and junk', Buffer.from([1, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff])],
    ['a length of 4 GiB', Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1])],
    ['one byte more than allowed', Buffer.from([0, 0, 0x40, 0, 1, 1])],
  ];
  for (const [what, bytes] of frames) {
    test(`${what} ends that stream, and others are served`, async () => {
      const harness = await startAds();
      harness.publish(NODE_ID, edsCluster('a'));
      const session = connect(`http://127.0.0.1:${harness.port}`);
      session.on('error', () => {});
      const stream = session.request({
        ':method': 'POST',
        ':path': deltaPath,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...(bytes[0] === 1 ? { 'grpc-encoding': 'gzip' } : {}),
      });
      let outcome: string | null = null;
      const done = (said: string) => {
        outcome ??= said;
      };
      stream.on('error', (error) => done(String(error)));
      stream.on('response', (headers) => {
        if (headers['grpc-status'] !== undefined) done(String(headers['grpc-status']));
      });
      stream.on('trailers', (trailers) => done(String(trailers['grpc-status'])));
      stream.on('close', () => done('closed'));
      stream.resume();
      stream.write(bytes);
      await until('it ended', () => outcome !== null);
      assert.notEqual(outcome, '0');
      const client = new Client(`127.0.0.1:${harness.port}`, credentials.createInsecure());
      const call = client.makeBidiStreamRequest(deltaPath, identity, identity, new Metadata());
      let answered = false;
      call.on('error', () => {});
      call.on('data', () => {
        answered = true;
      });
      call.write(firstRequest());
      await until('another is served', () => answered);
      assert.equal(harness.ads.stats.streamsActive, 1);
      call.cancel();
      client.close();
      session.destroy();
      harness.close();
    });
  }
});
