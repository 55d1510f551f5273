// Our xDS client against our ADS server over a real loopback connection, in both protocols.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { credentials, Metadata } from '@grpc/grpc-js';
import { systemClock, systemRandom } from '../../common/clock.ts';
import { silentLogger } from '../../common/logger.ts';
import { TimerWheel } from '../../common/timer.ts';
import { adsSource } from '../../dataplane/api/config/config-source.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import { grpcChannelFactory } from '../../dataplane/xds/ads-channel.ts';
import { sourceOpener } from '../../dataplane/xds/open-source.ts';
import { resourceFiles } from '../../dataplane/xds/resource-files.ts';
import { XdsClient } from '../../dataplane/xds/xds-client.ts';
import { type AdsHarness, startAds, until } from '../fakes/ads-harness.ts';
import { grpcApi, grpcService } from '../fakes/config-source.ts';
import { FakeCompiler, RecordingSink } from '../fakes/xds-client.ts';
import {
  assignment,
  edsCluster,
  httpListener,
  resourceOf,
  routes,
} from '../fakes/xds-resources.ts';

const NODE = 'sidecar-1';
const shop = [
  edsCluster('blue'),
  assignment('blue', 1001),
  routes('main', { '/': 'blue' }),
  httpListener('web', 10000, 'main'),
];

for (const protocol of ['DELTA_GRPC', 'GRPC'] as const) {
  describe(`client and server with ${protocol}`, () => {
    let harness: AdsHarness;
    let client: XdsClient;
    const sink = new RecordingSink();
    const compiler = new FakeCompiler();
    const stats = new HolderStore();

    const statusOf = (kind: string) =>
      harness.ads.tracker.node(NODE)?.types.find((type) => type.kind === kind);
    const isConnected = (): boolean => {
      let state = 0;
      stats.collect({
        value: (_scope, name, _kind, value) => {
          if (name === 'connected_state') state = value;
        },
        text: () => {},
        tagged: () => {},
        histogram: () => {},
      });
      return state === 1;
    };
    const synced = () =>
      until('the node is in sync', () => {
        return ['cluster', 'endpoint', 'listener', 'route'].every(
          (kind) => statusOf(kind)?.status === 'SYNCED',
        );
      });

    before(async () => {
      harness = await startAds();
      harness.publish(NODE, ...shop);
      client = new XdsClient({
        hasAds: true,
        cds: adsSource,
        lds: adsSource,
        open: sourceOpener({
          ads: grpcApi({
            protocol,
            services: [grpcService({ backoffBaseMs: 20, backoffMaxMs: 100 })],
          }),
          channelFactory: () =>
            grpcChannelFactory({
              target: `127.0.0.1:${harness.port}`,
              credentials: credentials.createInsecure(),
              metadata: () => new Metadata(),
            }),
          restCaller: () => assert.fail('nothing comes by REST'),
          files: resourceFiles,
          node: { id: NODE, cluster: 'test' },
          clock: systemClock,
          random: systemRandom,
          timers: new TimerWheel(),
          logger: silentLogger(),
        }),
        staticReferences: [],
        compiler,
        sink,
        clock: systemClock,
        timers: new TimerWheel(),
        logger: silentLogger(),
        stats,
      });
    });

    after(() => {
      client.stop();
      harness.close();
    });

    test('brings clusters, endpoints, routes and listeners in safe order, then is initialized', async () => {
      client.start();
      await until('initialized', () => client.initialized);
      assert.deepEqual(sink.take(), [
        'cluster blue',
        'endpoint blue',
        'route main',
        'listener web',
        'initialized',
      ]);
      await synced();
    });

    test('moves a route: the new cluster is complete before, the old one goes after', async () => {
      harness.publish(
        NODE,
        edsCluster('green'),
        assignment('green', 1002),
        routes('main', { '/': 'green' }),
        httpListener('web', 10000, 'main'),
      );
      await until('the old cluster is gone', () => !sink.clusters.has('blue'));
      assert.deepEqual(sink.take(), [
        'cluster green',
        'endpoint green',
        'route main',
        '-cluster blue',
      ]);
      await synced();
      harness.publish(NODE, ...shop);
      await until('back', () => !sink.clusters.has('green'));
      await synced();
      sink.take();
    });

    test('an unchanged snapshot brings nothing', async () => {
      const before = harness.ads.stats.responsesTotal.total;
      harness.publish(NODE, ...shop);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(harness.ads.stats.responsesTotal.total, before);
      assert.deepEqual(sink.take(), []);
    });

    test('refuses a bad resource with its path, takes the good ones, and recovers', async () => {
      const bad = resourceOf('cluster', 'bad', {
        name: 'bad',
        connect_timeout: { seconds: -1, nanos: 0 },
      });
      harness.publish(NODE, bad, edsCluster('green'), assignment('green', 1002), ...shop);
      await until('the good one is there', () => sink.calls.includes('endpoint green'));
      await until('the NACK is known', () => statusOf('cluster')?.status === 'NACKED');
      const reason = statusOf('cluster')?.nack?.reason ?? '';
      assert.equal(reason, 'cluster "bad": connect_timeout: must be > 0');
      assert.deepEqual(sink.take(), ['cluster green', 'endpoint green']);
      const dumped = client.dump().find(({ name }) => name === 'bad');
      assert.equal(dumped?.status, 'NACKED');
      assert.match(dumped?.error?.details ?? '', /connect_timeout/);
      const sent = harness.ads.stats.responsesTotal.of('cluster');
      const good = resourceOf('cluster', 'bad', {
        name: 'bad',
        connect_timeout: { seconds: 1, nanos: 0 },
      });
      harness.publish(NODE, good, edsCluster('green'), assignment('green', 1002), ...shop);
      await synced();
      assert.equal(harness.ads.stats.responsesTotal.of('cluster'), sent + 1, 'no loop');
      assert.deepEqual(sink.take(), ['cluster bad']);
      harness.publish(NODE, ...shop);
      await until('both are gone', () => sink.clusters.size === 1);
      await synced();
      sink.take();
    });

    test('keeps everything while the server is away, and resumes without a resend', async () => {
      const { cache, port } = harness;
      harness.close();
      await until('the client noticed', () => !isConnected());
      assert.equal(sink.listeners.size, 1);
      const compiledBefore = compiler.compiled;
      harness = await startAds(port, cache);
      await synced();
      const sent = harness.ads.stats.responsesTotal.total;
      assert.equal(sent, 0);
      assert.equal(compiler.compiled, compiledBefore);
      assert.deepEqual(sink.take(), []);
    });

    test('learns after an absence what changed meanwhile', async () => {
      const { cache, port } = harness;
      harness.close();
      await until('the client noticed', () => !isConnected());
      harness = await startAds(port, cache);
      harness.publish(NODE, edsCluster('blue'), assignment('blue', 1003));
      await until('the listener is gone', () => sink.listeners.size === 0);
      await until('the endpoints came', () => sink.calls.includes('endpoint blue'));
      const calls = sink.take();
      assert.ok(calls.includes('-listener web') && calls.includes('-route main'), `${calls}`);
      assert.ok(!calls.includes('cluster blue'), 'the cluster did not change');
    });
  });
}
