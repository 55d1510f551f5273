// What pushes of configuration do to HTTP/2 streams that are open: each ends well where it began, what comes behind
// goes by the new configuration, clients hear of the end by two GOAWAYs, and no request of a steady load fails.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { packAny } from '../../proto/any.ts';
import { type AdsHarness, startAds, until } from '../fakes/ads-harness.ts';
import { TestCa, type TestCertificate } from '../fakes/pki.ts';
import { assignment, resourceOf } from '../fakes/xds-resources.ts';
import { Http2Client, Http2Load } from './http2-clients.ts';
import { type Http2Backend, http2Backend } from './http2-upstream-scene.ts';
import { type Sidecar, startSidecar } from './sidecar.ts';

const NODE = 'node';
const ads = { ads: {}, resource_api_version: 'V3' };
const second = (seconds: number) => ({ seconds, nanos: 0 });
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const speaksHttp2 = {
  [HTTP_OPTIONS]: packAny(HTTP_OPTIONS, { explicit_http_config: { http2_protocol_options: {} } }),
};

const bootstrap = (adsPort: number) => `
node: { id: ${NODE}, cluster: test }
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    grpc_services: [{ envoy_grpc: { cluster_name: ads } }]
  lds_config: { ads: {}, resource_api_version: V3 }
  cds_config: { ads: {}, resource_api_version: V3 }
static_resources:
  clusters:
    - name: ads
      type: STATIC
      typed_extension_protocol_options:
        ${HTTP_OPTIONS}:
          "@type": type.googleapis.com/${HTTP_OPTIONS}
          explicit_http_config: { http2_protocol_options: {} }
      load_assignment: { cluster_name: ads, endpoints: [{ lb_endpoints: [{ endpoint: {
        address: { socket_address: { address: 127.0.0.1, port_value: ${adsPort} } } } }] }] }
`;

/** What the control plane says; a test changes it and publishes. */
interface Wanted {
  /** Responses of `web` carry it. */
  version: string;
  /** Another one needs another socket. */
  backlog: number;
  connectTimeoutS: number;
  endpoints: readonly number[];
  /** Of the listener `secure`. */
  securePort: number;
  leaf: TestCertificate;
}

const listener = (name: string, statPrefix: string, wanted: Wanted, more: object, chain: object) =>
  resourceOf('listener', name, {
    ...{ name, stat_prefix: name },
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    ...more,
    filter_chains: [
      {
        ...chain,
        filters: [
          {
            name: 'hcm',
            typed_config: packAny(
              'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
              {
                stat_prefix: statPrefix,
                drain_timeout: { seconds: 0, nanos: 200_000_000 },
                route_config: {
                  name: 'local',
                  virtual_hosts: [
                    {
                      ...{ name: 'all', domains: ['*'] },
                      response_headers_to_add: [
                        { header: { key: `x-${name}`, value: wanted.version } },
                      ],
                      routes: [
                        // `secured` leads to `secure`, and from there to `backend`.
                        {
                          match: { prefix: name === 'web' ? '/tls' : '/never' },
                          route: { cluster: 'secured', timeout: second(0) },
                        },
                        {
                          match: { prefix: '/' },
                          route: { cluster: 'backend', timeout: second(0) },
                        },
                      ],
                    },
                  ],
                },
                http_filters: [
                  {
                    name: 'router',
                    typed_config: packAny('envoy.extensions.filters.http.router.v3.Router', {}),
                  },
                ],
              },
            ),
          },
        ],
      },
    ],
  });

const tlsSocket = (kind: string, more: object) => ({
  transport_socket: {
    name: 'tls',
    typed_config: packAny(`envoy.extensions.transport_sockets.tls.v3.${kind}`, {
      common_tls_context: {
        tls_certificate_sds_secret_configs: [{ name: 'leaf', sds_config: ads }],
        validation_context_sds_secret_config: { name: 'roots', sds_config: ads },
        alpn_protocols: ['h2'],
      },
      ...more,
    }),
  },
});

const cluster = (name: string, wanted: Wanted, more: object = {}) =>
  resourceOf('cluster', name, {
    ...{ name, type: 'EDS', eds_cluster_config: { eds_config: ads } },
    connect_timeout: second(wanted.connectTimeoutS),
    typed_extension_protocol_options: speaksHttp2,
    ...more,
  });

describe('a push under open HTTP/2 streams', () => {
  let control: AdsHarness;
  let sidecar: Sidecar;
  let ca: TestCa;
  let wanted: Wanted;
  let load: Http2Load;
  const backends: Http2Backend[] = [];

  function publish(change: Partial<Wanted>): void {
    wanted = { ...wanted, ...change };
    const inline = (text: string) => ({ inline_string: text });
    const server = tlsSocket('DownstreamTlsContext', {
      require_client_certificate: { value: true },
    });
    control.publish(
      NODE,
      listener('web', 'web', wanted, { tcp_backlog_size: { value: wanted.backlog } }, {}),
      listener('secure', 'secure', { ...wanted, version: '1' }, {}, server),
      cluster('backend', wanted),
      cluster('secured', wanted, tlsSocket('UpstreamTlsContext', { sni: 'localhost' })),
      assignment('backend', ...wanted.endpoints),
      assignment('secured', wanted.securePort),
      resourceOf('secret', 'leaf', {
        name: 'leaf',
        tls_certificate: {
          certificate_chain: inline(wanted.leaf.certificatePem),
          private_key: inline(wanted.leaf.privateKeyPem),
        },
      }),
      resourceOf('secret', 'roots', {
        name: 'roots',
        validation_context: { trusted_ca: inline(ca.certificatePem) },
      }),
    );
  }

  const ports = new Map<string, number>();
  const port = (name: string) => ports.get(name)!;
  /** What new connections to `web` say and where they lead. */
  async function asked(path = '/'): Promise<{ version: string; backend: string }> {
    const client = await Http2Client.connect(port('web'));
    const { headers } = await client.post(path, 'x');
    client.close();
    return { version: String(headers['x-web']), backend: String(headers['x-backend']) };
  }

  before(async () => {
    ca = await TestCa.create();
    for (const name of ['one', 'two']) {
      backends.push(
        await http2Backend((stream) => {
          stream.respond({ ':status': 200, 'x-backend': name });
          stream.pipe(stream);
        }),
      );
    }
    control = await startAds();
    wanted = {
      ...{ version: '1', backlog: 128, connectTimeoutS: 5, securePort: 1 },
      endpoints: [backends[0]!.port],
      leaf: await ca.issue({ dns: ['localhost'] }),
    };
    publish({});
    sidecar = await startSidecar(bootstrap(control.port), {
      drainTimeMs: 10_000,
      drainStrategy: 'immediate',
    });
    // `secure` may wait for its secret when the sidecar is LIVE.
    await until('both listeners are there', async () => {
      for (const line of (await sidecar.admin('/listeners')).trim().split('\n')) {
        ports.set(line.split('::')[0]!, Number(line.split(':').at(-1)));
      }
      return ports.has('web') && ports.has('secure');
    });
    publish({ securePort: port('secure') });
    await until('the way back into the sidecar is known', async () => {
      const client = await Http2Client.connect(port('web'));
      const { headers } = await client.post('/tls', '', null);
      client.close();
      return Number(headers[':status']) === 200;
    });
    load = new Http2Load(port('web'), ['/a', '/tls']);
    await load.more(50);
  });
  after(async () => {
    await load?.stop();
    await sidecar?.stop();
    control?.close();
    for (const backend of backends) backend.close();
  });

  async function nothingFailed(): Promise<void> {
    await load.more(50);
    assert.deepEqual(load.failures, []);
  }

  for (const [what, change] of [
    ['of a filter chain', { version: '2' }],
    ['of the listener with its socket', { version: '3', backlog: 129 }],
  ] as const) {
    test(`${what} lets streams end, with two GOAWAYs`, async () => {
      const client = await Http2Client.connect(port('web'));
      const stream = client.open('/');
      assert.equal(await stream.echo('before'), 'before');
      publish(change);
      await until(
        'new connections go by it',
        async () => (await asked()).version === change.version,
      );
      await until('both GOAWAYs have come', () => client.goaways.length === 2);
      assert.deepEqual(client.goaways, [
        { code: 0, lastStreamId: 2 ** 31 - 1 },
        { code: 0, lastStreamId: 1 },
      ]);
      assert.equal(await stream.echo('behind'), 'behind');
      await stream.end();
      assert.notEqual(stream.headers['x-web'], change.version);
      await client.closed();
      await nothingFailed();
    });
  }

  test('of a cluster lets streams end in its former pools', async () => {
    const client = await Http2Client.connect(port('web'));
    const stream = client.open('/');
    assert.equal(await stream.echo('before'), 'before');
    const [session] = [...backends[0]!.sessions].slice(-1);
    assert.ok(session !== undefined);
    publish({ connectTimeoutS: 6 });
    await until('another connection is used', () => backends[0]!.sessions.size > 1);
    assert.equal(await stream.echo('behind'), 'behind');
    await nothingFailed();
    await stream.end();
    await until('the former connection is closed', () => session.destroyed);
    assert.equal((await client.post('/', 'more')).body, 'more');
    assert.deepEqual(client.goaways, []);
    client.close();
    await nothingFailed();
  });

  test('that takes an endpoint away lets its streams end, and others go elsewhere', async () => {
    const client = await Http2Client.connect(port('web'));
    const stream = client.open('/');
    assert.equal(await stream.echo('before'), 'before');
    publish({ endpoints: [backends[1]!.port] });
    await until('requests go elsewhere', async () => (await asked()).backend === 'two');
    assert.equal(await stream.echo('behind'), 'behind');
    assert.equal((await client.post('/', 'more')).headers['x-backend'], 'two');
    await stream.end();
    assert.equal(stream.headers['x-backend'], 'one');
    await until('nothing is left there', () => backends[0]!.sessions.size === 0);
    client.close();
    await nothingFailed();
  });

  test('of a certificate leaves streams and connections of both sides alone', async () => {
    const direct = await Http2Client.connect(port('secure'), {
      ...{ ca: ca.certificatePem, servername: 'localhost' },
      ...{ cert: wanted.leaf.certificatePem, key: wanted.leaf.privateKeyPem },
    });
    const through = await Http2Client.connect(port('web'));
    const streams = [direct.open('/'), through.open('/tls')];
    for (const stream of streams) assert.equal(await stream.echo('before'), 'before');
    const former = direct.serialNumber();
    for (let turn = 0; turn < 3; turn++) {
      const leaf = await ca.issue({ dns: ['localhost'] });
      publish({ leaf });
      await until('new connections show it', async () => {
        const client = await Http2Client.connect(port('secure'), {
          ...{ ca: ca.certificatePem, servername: 'localhost' },
          ...{ cert: leaf.certificatePem, key: leaf.privateKeyPem },
        });
        const serial = client.serialNumber();
        client.close();
        return serial !== former;
      });
      for (const stream of streams) assert.equal(await stream.echo('behind'), 'behind');
      await nothingFailed();
    }
    for (const stream of streams) await stream.end();
    assert.deepEqual([...direct.goaways, ...through.goaways], []);
    direct.close();
    through.close();
  });
});
