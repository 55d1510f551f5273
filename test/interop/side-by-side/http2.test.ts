// HTTP/2 clients of Envoy and Remora side by side: heads, bodies, trailers and resets of each stream, GOAWAYs, the
// access log and the stats must be the same, but for the differences that http2-cases.ts names.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { FrameClient, type StreamView } from '../../fakes/http2-client.ts';
import { skipWithout } from '../peers.ts';
import { type Http2Case, http2Cases } from './http2-cases.ts';
import { type ProxyKind, startVariants, type Variant, type VariantProxies } from './variants.ts';

const route = (prefix: string, more = ''): string =>
  `{ match: { prefix: ${prefix} }, route: { cluster: backend${more} } }`;
const direct = (status: number, body = ''): string =>
  `{ match: { prefix: /s${status} }, direct_response: { status: ${status}${body === '' ? '' : `, body: { inline_string: "${body}" }`} } }`;
const CAPPED =
  'max_stream_duration: { grpc_timeout_header_max: 10s, grpc_timeout_header_offset: 0.1s }';
const BOTH = 'max_stream_duration: { max_stream_duration: 0.5s, grpc_timeout_header_max: 2s }';
const OLD = 'max_grpc_timeout: 0s, grpc_timeout_offset: 0.2s';

const ROUTES = `{ name: r, virtual_hosts: [{ name: all, domains: ["*"], routes: [
  ${direct(200, 'ok')}, ${direct(400, 'bad % ü\\n')}, ${direct(413)}, ${direct(429)},
  { match: { prefix: /redirect }, redirect: { path_redirect: /new } },
  { match: { prefix: /dead }, route: { cluster: dead } },
  ${route('/slow/capped', `, ${CAPPED}`)}, ${route('/capped', `, ${CAPPED}`)},
  ${route('/uncapped', ', max_stream_duration: { grpc_timeout_header_max: 0s }')},
  ${route('/slow/both', `, ${BOTH}`)}, ${route('/both', `, ${BOTH}`)},
  ${route('/slow/old', `, ${OLD}`)}, ${route('/old', `, ${OLD}`)}, ${route('/')}] }] }`.replaceAll(
  '\n',
  '',
);
const NARROW =
  '{ name: narrow, virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { path: /only }, route: { cluster: backend } }] }] }';

const FORMAT =
  '%PROTOCOL% %REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(:SCHEME)% %REQ(X-FORWARDED-PROTO)% %REQ(TE)% %REQ(GRPC-TIMEOUT)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %GRPC_STATUS% %GRPC_STATUS_NUMBER% %BYTES_RECEIVED% %BYTES_SENT%\\n';
const LOG = `access_log: [{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: "@LOG@", log_format: { text_format_source: { inline_string: "${FORMAT}" } } } }]`;

const variant = (name: string, more = '', routeConfig = ROUTES): Variant => ({
  name,
  hcm: `http2_protocol_options: { allow_connect: true }\nupgrade_configs: [{ upgrade_type: websocket }]\n${LOG}${more}`,
  routeConfig,
});
const variants: readonly Variant[] = [
  variant('plain'),
  variant('narrow', '', NARROW),
  variant('edge', '\nuse_remote_address: true\nskip_xff_append: true'),
  variant('idle', '\nstream_idle_timeout: 0.5s'),
  variant('matching', '\nscheme_header_transformation: { match_upstream: true }'),
  variant('request', '\nrequest_timeout: 0.5s'),
  variant('headers', '\nrequest_headers_timeout: 0.5s'),
  variant(
    'drain',
    '\ncodec_type: HTTP2\ndrain_timeout: 0.6s\ncommon_http_protocol_options: { max_requests_per_connection: 3, idle_timeout: 1s }',
  ),
  variant('resets'),
  variant('malformed'),
];
const RUNTIME =
  '\nlayered_runtime: { layers: [{ name: s, static_layer: { overload.premature_reset_total_stream_count: 10 } }] }\n';
const DEAD = `    - name: dead
      type: STATIC
      load_assignment: { cluster_name: dead, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 1 } } } }] }] }
${RUNTIME}`;

/** Stats whose values are compared, by `http.<variant>.`. */
const COMPARED = [
  ...['downstream_cx_total', 'downstream_cx_http2_total', 'downstream_cx_http1_total'],
  ...['downstream_rq_total', 'downstream_rq_http2_total', 'downstream_rq_completed'],
  ...['downstream_rq_1xx', 'downstream_rq_2xx', 'downstream_rq_3xx', 'downstream_rq_4xx'],
  ...['downstream_rq_5xx', 'downstream_rq_rx_reset', 'downstream_rq_tx_reset'],
  ...['downstream_rq_response_before_rq_complete', 'downstream_rq_ws_on_non_ws_route'],
  ...['downstream_rq_non_relative_path', 'downstream_rq_max_duration_reached'],
  ...[
    'downstream_rq_timeout',
    'downstream_rq_idle_timeout',
    'downstream_rq_header_timeout',
    'downstream_cx_upgrades_total',
  ],
  ...['downstream_cx_max_requests_reached', 'downstream_cx_idle_timeout'],
  ...['downstream_cx_drain_close', 'downstream_cx_protocol_error'],
  'downstream_rq_too_many_premature_resets',
];

const differences = readFileSync(new URL('../../../docs/differences.md', import.meta.url), 'utf8');

/** Less what differs from run to run. */
function masked(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line.replace(/^(date|x-request-id|x-envoy-upstream-service-time): .*$/, '$1: *'),
  );
}

function maskedView({ heads, body, trailers, ended, reset }: StreamView): StreamView {
  // The echo's lines in the order of their names.
  const lines = masked(body.split('\n')).sort().join('\n');
  return { heads: heads.map(masked), body: lines, trailers, ended, reset };
}

describe('HTTP/2 side by side with Envoy', { skip: skipWithout('envoy') }, () => {
  let proxies: VariantProxies;
  // Echoes the head as its body; /slow answers after the timeouts of every case.
  const upstream = http.createServer((request, response) => {
    const { rawHeaders } = request;
    const lines = [`${request.method} ${request.url}`];
    for (let i = 0; i < rawHeaders.length; i += 2) {
      lines.push(`${rawHeaders[i]?.toLowerCase()}: ${rawHeaders[i + 1]}`);
    }
    let received = '';
    request.on('error', () => {});
    request.on('data', (data) => {
      received += data;
    });
    const answer = () => response.end([...lines, received].join('\n'));
    if (request.url?.startsWith('/slow') === true) setTimeout(answer, 2500);
    else request.on('end', answer);
  });

  before(async () => {
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as AddressInfo; // it listens on TCP
    proxies = await startVariants(variants, port, DEAD);
  });
  after(async () => {
    await proxies.stop();
    upstream.closeAllConnections();
    upstream.close();
  });

  async function observe(kind: ProxyKind, one: Http2Case): Promise<unknown> {
    const client = await FrameClient.connect(proxies.port(kind, one.variant));
    try {
      await one.run(client);
      const streams = one.streams ?? [1];
      const isOver = (id: number) => client.stream(id).ended || client.stream(id).reset !== null;
      assert.ok(await client.until(() => streams.every(isOver)), `${kind} answers`);
      // An RST_STREAM behind the end has come by then.
      if (one.closes === true) assert.ok(await client.until(() => client.isClosed), `${kind} ends`);
      else await new Promise((resolve) => setTimeout(resolve, 50));
      return {
        streams: streams.map((id) => maskedView(client.stream(id))),
        goAways: client.goAways,
      };
    } finally {
      client.close();
    }
  }

  for (const one of http2Cases) {
    test(`${one.variant}: ${one.name}`, async () => {
      const [envoy, remora] = await Promise.all([observe('envoy', one), observe('remora', one)]);
      if (one.difference === undefined) {
        assert.deepEqual(remora, envoy);
        return;
      }
      assert.notDeepEqual(remora, envoy);
      assert.ok(differences.includes(`**${one.difference}**`), one.difference);
    });
  }

  test('the stats', async () => {
    for (const { name } of variants) {
      // Envoy counts what it reads of a connection that it has just closed for its resets.
      const stats = COMPARED.filter(
        (stat) => name !== 'resets' || stat !== 'downstream_cx_protocol_error',
      );
      const of = async (kind: ProxyKind) => {
        const text = await proxies.admin(kind, `/stats?filter=^http\\.${name}\\.`);
        const values = new Map(
          text.split('\n').map((line) => line.split(': ') as [string, string]),
        );
        return stats.map((stat) => [stat, values.get(`http.${name}.${stat}`)]);
      };
      assert.deepEqual(await of('remora'), await of('envoy'), name);
    }
  });

  test('the access log', async () => {
    await proxies.stop();
    assert.deepEqual([...proxies.logLines('remora')].sort(), [...proxies.logLines('envoy')].sort());
  });
});
