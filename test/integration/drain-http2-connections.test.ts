// The end of HTTP/2 connections that carry a thousand streams, or none: idle_timeout, max_connection_duration, drained
// listeners and SIGTERM. Every one is announced, and every stream ends well.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '../fakes/until.ts';
import { type EchoStream, type GoAway, Http2Client } from './http2-clients.ts';
import { type Http2Backend, http2Backend } from './http2-upstream-scene.ts';
import { type Sidecar, type SidecarOptions, simpleBootstrap, startSidecar } from './sidecar.ts';

const STREAMS = 1000;
const LAST_STREAM_ID = 2 * STREAMS - 1;
const NOTICE: GoAway = { code: 0, lastStreamId: 2 ** 31 - 1 };
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const speaksHttp2 = `      typed_extension_protocol_options: { ${HTTP_OPTIONS}: { "@type": type.googleapis.com/${HTTP_OPTIONS}, explicit_http_config: { http2_protocol_options: {} } } }`;

describe('the end of an HTTP/2 connection', () => {
  let backend: Http2Backend;
  before(async () => {
    backend = await http2Backend((stream) => {
      stream.respond({ ':status': 200 });
      stream.pipe(stream);
    });
  });
  after(() => backend.close());

  /** `fields` of the connection manager. */
  async function scene(
    fields: string,
    run: (sidecar: Sidecar) => Promise<void>,
    options: SidecarOptions = {},
  ): Promise<void> {
    const yaml = simpleBootstrap(backend.port, speaksHttp2)
      .replace('cluster: backend }', 'cluster: backend, timeout: 0s }')
      .replace('stat_prefix: ingress', `stat_prefix: ingress\n                ${fields}`);
    const sidecar = await startSidecar(yaml, options);
    try {
      await run(sidecar);
    } finally {
      await sidecar.stop();
    }
  }

  /** A thousand streams on one connection, each has echoed. */
  async function openMany(sidecar: Sidecar): Promise<{
    client: Http2Client;
    /** They echo once more and end well; the connection closes behind the last. */
    finish(): Promise<void>;
  }> {
    const client = await Http2Client.connect(sidecar.port('ingress'));
    const streams = Array.from({ length: STREAMS }, () => client.open('/'));
    const echoAll = (text: string) =>
      Promise.all(streams.map(async (stream) => assert.equal(await stream.echo(text), text)));
    await echoAll('before');
    const finish = async () => {
      await echoAll('behind');
      await Promise.all(streams.map((stream: EchoStream) => stream.end()));
      await client.closed();
      assert.deepEqual(client.goaways, [NOTICE, { code: 0, lastStreamId: LAST_STREAM_ID }]);
    };
    return { client, finish };
  }

  const announced = (client: Http2Client) =>
    until('both GOAWAYs have come', () => client.goaways.length === 2);

  test('max_connection_duration lets a thousand streams end', () =>
    scene(
      'drain_timeout: 0.2s\n                common_http_protocol_options: { max_connection_duration: 3s }',
      async (sidecar) => {
        const { client, finish } = await openMany(sidecar);
        await announced(client);
        await finish();
        await sidecar.untilStat('http.ingress.downstream_cx_max_duration_reached', (n) => n === 1);
        await sidecar.untilStat('http.ingress.downstream_cx_active', (n) => n === 0);
      },
    ));

  test('SIGTERM lets a thousand streams end, then the process does', () =>
    scene(
      'drain_timeout: 0.2s',
      async (sidecar) => {
        const { client, finish } = await openMany(sidecar);
        sidecar.shutdown();
        await announced(client);
        await finish();
        assert.equal(await sidecar.finished, 0);
      },
      { shutdownTimeMs: 20_000 },
    ));

  test('/drain_listeners?graceful lets a thousand streams end', () =>
    scene(
      'drain_timeout: 0.2s',
      async (sidecar) => {
        const { client, finish } = await openMany(sidecar);
        await sidecar.admin('/drain_listeners?graceful&skip_exit', 'POST');
        await announced(client);
        await finish();
        await sidecar.untilStat('http.ingress.downstream_rq_active', (n) => n === 0);
      },
      { drainStrategy: 'immediate', drainTimeMs: 20_000 },
    ));

  test('idle_timeout is announced, on used connections and on those that only said hello', () =>
    scene(
      'drain_timeout: 0.2s\n                common_http_protocol_options: { idle_timeout: 0.5s }',
      async (sidecar) => {
        const port = sidecar.port('ingress');
        const used = await Http2Client.connect(port);
        const unused = await Http2Client.connect(port);
        const busy = await Http2Client.connect(port);
        const stream = busy.open('/');
        assert.equal(await stream.echo('before'), 'before');
        assert.equal((await used.post('/', 'once')).body, 'once');
        await Promise.all([used.closed(), unused.closed()]);
        assert.deepEqual([used.goaways[0], unused.goaways[0]], [NOTICE, NOTICE]);
        assert.deepEqual(busy.goaways, []);
        await stream.end();
        await busy.closed();
        assert.deepEqual(busy.goaways[0], NOTICE);
        await sidecar.untilStat('http.ingress.downstream_cx_idle_timeout', (n) => n === 3);
        await sidecar.untilStat('http.ingress.downstream_cx_active', (n) => n === 0);
      },
    ));
});
