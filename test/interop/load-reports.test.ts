// Out-of-band ORCA load reports: grpc-js's own OpenRcaService tells Envoy and our sidecar the same, and both weigh by it.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  ServerMetricRecorder,
} from '@grpc/grpc-js';
import { findPeer, skipWithout } from './peers.ts';
import { freePort, type RunningProxy, startProxy } from './proxies.ts';

const kinds = ['envoy', 'remora'] as const;
const CALLS = 300;
const type = (name: string) => `type.googleapis.com/envoy.${name}`;
const bytes = { serialize: (value: Buffer) => value, deserialize: (value: Buffer) => value };

/** Answers with its name, and says by `recorder` what it can take. */
class Host {
  readonly name: string;
  readonly port: number;
  readonly #server = new Server();
  calls = 0;

  private constructor(name: string, port: number) {
    this.name = name;
    this.port = port;
  }

  /** `utilization` null = it has no OpenRcaService. */
  static async start(name: string, utilization: number | null, port = 0): Promise<Host> {
    const host = new Host(name, port === 0 ? await freePort() : port);
    const server = host.#server;
    server.addService(
      {
        Who: {
          path: '/test.Hosts/Who',
          requestStream: false,
          responseStream: false,
          requestSerialize: bytes.serialize,
          requestDeserialize: bytes.deserialize,
          responseSerialize: bytes.serialize,
          responseDeserialize: bytes.deserialize,
        },
      },
      {
        Who: (_call: unknown, answer: (error: null, value: Buffer) => void) => {
          host.calls++;
          answer(null, Buffer.from(name));
        },
      },
    );
    if (utilization !== null) {
      const recorder = new ServerMetricRecorder();
      recorder.setQpsMetric(100);
      recorder.setApplicationUtilizationMetric(utilization);
      recorder.addToServer(server);
    }
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${host.port}`, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      );
    });
    return host;
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

interface Ports {
  readonly listen: number;
  readonly admin: number;
}

function bootstrap(ports: Ports, hosts: readonly number[], policy: object): string {
  const address = (port: number) => ({
    socket_address: { address: '127.0.0.1', port_value: port },
  });
  return JSON.stringify({
    admin: { address: address(ports.admin) },
    static_resources: {
      listeners: [
        {
          name: 'l',
          address: address(ports.listen),
          enable_reuse_port: false,
          filter_chains: [{ filters: [{ name: 'hcm', typed_config: manager }] }],
        },
      ],
      clusters: [
        {
          name: 'hosts',
          type: 'STATIC',
          connect_timeout: '2s',
          load_balancing_policy: {
            policies: [
              {
                typed_extension_config: {
                  name: 'envoy.load_balancing_policies.client_side_weighted_round_robin',
                  typed_config: {
                    '@type': type(
                      'extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin',
                    ),
                    enable_oob_load_report: true,
                    oob_reporting_period: '0.1s',
                    blackout_period: '0.1s',
                    weight_update_period: '0.1s',
                    ...policy,
                  },
                },
              },
            ],
          },
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': type('extensions.upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'hosts',
            endpoints: [
              { lb_endpoints: hosts.map((port) => ({ endpoint: { address: address(port) } })) },
            ],
          },
        },
      ],
    },
  });
}

const manager = {
  '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
  stat_prefix: 'in',
  http_filters: [
    {
      name: 'envoy.filters.http.router',
      typed_config: { '@type': type('extensions.filters.http.router.v3.Router') },
    },
  ],
  route_config: {
    virtual_hosts: [
      {
        name: 'v',
        domains: ['*'],
        routes: [{ match: { prefix: '/' }, route: { cluster: 'hosts' } }],
      },
    ],
  },
};

/** Shares of `hosts` in `CALLS` calls by that proxy, one after the other. */
async function shares(proxy: RunningProxy, hosts: readonly Host[]): Promise<number[]> {
  const client = new Client(`127.0.0.1:${proxy.ports.listen}`, credentials.createInsecure());
  for (const host of hosts) host.calls = 0;
  for (let i = 0; i < CALLS; i++) {
    await new Promise<void>((resolve, reject) => {
      const call = client.makeUnaryRequest(
        '/test.Hosts/Who',
        bytes.serialize,
        bytes.deserialize,
        Buffer.alloc(0),
        new Metadata(),
        (error) => (error === null ? resolve() : reject(error)),
      );
      call.on('error', reject);
    });
  }
  client.close();
  return hosts.map(({ calls }) => calls / CALLS);
}

async function statsOf(proxy: RunningProxy): Promise<Map<string, number>> {
  const text = await proxy.admin('/stats?filter=lb_orca_oob');
  return new Map(
    text
      .trim()
      .split('\n')
      .map((line) => line.split(': '))
      .map(([name = '', value]) => [name.replace('cluster.hosts.lb_orca_oob.', ''), Number(value)]),
  );
}

async function until(
  proxy: RunningProxy,
  what: string,
  holds: (stats: Map<string, number>) => boolean,
): Promise<Map<string, number>> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const stats = await statsOf(proxy);
    if (holds(stats)) return stats;
    assert.ok(performance.now() < deadline, `${what}: ${JSON.stringify([...stats])}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('load reports out of band, beside Envoy', { skip: skipWithout('envoy') }, () => {
  const hosts: Host[] = [];
  const proxies: RunningProxy[] = [];

  const start = async (ports: readonly number[], policy = {}): Promise<RunningProxy[]> => {
    const started = await Promise.all(
      kinds.map((kind) =>
        startProxy(kind, findPeer('envoy') ?? '', (own) => bootstrap(own, ports, policy)),
      ),
    );
    proxies.push(...started);
    return started;
  };

  before(async () => {
    hosts.push(await Host.start('half', 0.5), await Host.start('whole', 1));
    hosts.push(await Host.start('silent', null));
  });

  after(async () => {
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    for (const host of hosts) host.stop();
  });

  test('hosts weigh what they report; one without the service weighs the median, and is not asked again', async () => {
    for (const proxy of await start(hosts.map(({ port }) => port))) {
      const isTold = (stats: Map<string, number>) =>
        stats.get('reports_received')! >= 30 && stats.get('stream_terminated') === 1;
      const stats = await until(proxy, 'reports', isTold);
      assert.deepEqual([...stats.keys()].sort(), [
        'active_sessions',
        'report_errors',
        'reports_received',
        'stream_failures',
        'stream_terminated',
      ]);
      assert.equal(stats.get('active_sessions'), 2);
      assert.equal(stats.get('report_errors'), 0);
      assert.equal(stats.get('stream_failures'), 0);
      await shares(proxy, hosts); // both weigh anew only while they pick
      const found = await shares(proxy, hosts);
      for (const [i, expected] of [4 / 9, 2 / 9, 3 / 9].entries()) {
        const text = `${proxy.kind}: ${found.join()}`;
        assert.ok(Math.abs(found[i]! - expected) < 0.03, text);
      }
    }
  });

  test('reports may come from another port; a host that comes back is asked again', async () => {
    const port = await freePort();
    const [half] = hosts;
    const started = await start([half!.port], { oob_reporting_config: { port_value: port } });
    for (const proxy of started) {
      await until(proxy, 'failures', (stats) => stats.get('stream_failures')! > 0);
    }
    const reporter = await Host.start('reporter', 1, port);
    for (const proxy of started) {
      await until(proxy, 'reports', (stats) => stats.get('reports_received')! >= 3);
      assert.equal((await statsOf(proxy)).get('active_sessions'), 1);
    }
    reporter.stop();
    for (const proxy of started) {
      const before = (await statsOf(proxy)).get('stream_failures')!;
      await until(proxy, 'more failures', (stats) => stats.get('stream_failures')! > before);
    }
  });
});
