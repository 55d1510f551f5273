// Options of the HTTP/1 codecs through a whole sidecar, byte for byte on both sides: what a real Envoy 1.40 with the same
// configuration sent is what the tests expect.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { startSidecar } from './sidecar.ts';

const PRESERVE_CASE =
  'header_key_format: { stateful_formatter: { name: p, typed_config: { "@type": type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig, forward_reason_phrase: true } } }';

interface Given {
  /** Fields of the HttpConnectionManager, YAML in flow style. */
  readonly hcm?: readonly string[];
  /** Fields of the upstream's Http1ProtocolOptions, in flow style. */
  readonly upstream?: string;
}

/** A sidecar whose upstream answers every request head with the same bytes and keeps what it got. */
class Scene implements AsyncDisposable {
  answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
  received = '';
  readonly #server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      this.received += chunk.toString('latin1');
      if (!this.received.includes('\r\n\r\n') || this.#hasAnswered) return;
      this.#hasAnswered = true;
      socket.write(Buffer.from(this.answer, 'latin1'));
      if (this.answer.startsWith('HTTP/1.0')) socket.end();
    });
  });
  #hasAnswered = false;
  #sidecar: Awaited<ReturnType<typeof startSidecar>> | null = null;

  async start({ hcm = [], upstream }: Given): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const { port } = this.#server.address() as net.AddressInfo; // it listens on TCP
    const options =
      upstream === undefined
        ? ''
        : `typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http_protocol_options: { ${upstream} } } } }`;
    this.#sidecar = await startSidecar(`
static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains:
        - filters:
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                generate_request_id: false
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: up, timeout: 0s } }] }] }
                http_filters: [{ name: router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, suppress_envoy_headers: true } }]
${hcm.map((line) => `                ${line}\n`).join('')}
  clusters:
    - name: up
      type: STATIC
      ${options}
      load_assignment: { cluster_name: up, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] }
`);
    return this;
  }

  /** What the client gets until `until` has come or the connection ends; what the upstream got is in `received`. */
  async exchange(bytes: string, until: string): Promise<string> {
    this.received = '';
    this.#hasAnswered = false;
    const socket = net.connect(this.#sidecar?.port('ingress') ?? 0, '127.0.0.1');
    socket.write(Buffer.from(bytes, 'latin1'));
    let text = '';
    for await (const chunk of socket) {
      text += (chunk as Buffer).toString('latin1');
      if (text.endsWith(until)) break;
    }
    socket.destroy();
    return text.replace(/\r\ndate: [^\r]*/i, '').replace('\r\nserver: envoy', '');
  }

  async stats(): Promise<string> {
    return (await this.#sidecar?.admin('/stats')) ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sidecar?.stop();
    this.#server.close();
  }
}

function scene(given: Given): () => Scene {
  let made: Scene;
  before(async () => {
    made = await new Scene().start(given);
  });
  after(() => made[Symbol.asyncDispose]());
  return () => made;
}

describe('preserve_case', () => {
  const made = scene({
    hcm: [`http_protocol_options: { ${PRESERVE_CASE} }`],
    upstream: PRESERVE_CASE,
  });

  test('names go on as they were first spelled, and the reason phrase with them', async () => {
    made().answer =
      'HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX-ResP: a\r\nx-two: 1\r\nX-Two: 2\r\n\r\nok';
    const got = await made().exchange(
      'GET /x HTTP/1.1\r\nHost: a\r\nX-ABc: 1\r\nx-abc: 2\r\naccept: text/a\r\nAccept: b\r\n\r\n',
      'ok',
    );
    assert.equal(
      got,
      'HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX-ResP: a\r\nx-two: 1\r\nx-two: 2\r\n\r\nok',
    );
    assert.equal(
      made().received,
      'GET /x HTTP/1.1\r\nHost: a\r\nX-ABc: 1\r\nX-ABc: 2\r\naccept: text/a,b\r\nx-forwarded-proto: http\r\n\r\n',
    );
  });
});

describe('proxy_100_continue', () => {
  const made = scene({ hcm: ['proxy_100_continue: true'] });

  test('Expect goes to the upstream, and its 100 to the client', async () => {
    made().answer = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
    const got = await made().exchange(
      'POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab',
      'ok',
    );
    assert.equal(
      got,
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
    );
    assert.match(made().received, /\r\nexpect: 100-continue\r\ncontent-length: 2\r\n/);
  });

  test('103 goes to the client', async () => {
    made().answer =
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
    const got = await made().exchange('GET /x HTTP/1.1\r\nHost: a\r\n\r\n', 'ok');
    assert.equal(
      got,
      'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
    );
    assert.match(await made().stats(), /downstream_rq_1xx: [1-9]/);
  });
});

describe('trailers', () => {
  const made = scene({
    hcm: ['http_protocol_options: { enable_trailers: true }'],
    upstream: 'enable_trailers: true',
  });

  test('pass both ways, without those that frame or authenticate', async () => {
    made().answer =
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: t\r\nContent-Length: 9\r\n\r\n';
    const got = await made().exchange(
      'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: z\r\nHost: q\r\nAuthorization: b\r\n\r\n',
      'x-t: t\r\n\r\n',
    );
    assert.equal(
      got,
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: t\r\n\r\n',
    );
    assert.match(made().received, /\r\n\r\n2\r\nab\r\n0\r\nt: z\r\n\r\n$/);
  });
});

describe('HTTP/1.0', () => {
  const made = scene({
    hcm: ['http_protocol_options: { accept_http_10: true, default_host_for_http_10: dflt }'],
  });

  test('a client of 1.0 gets a response of 1.0, and the upstream a default Host', async () => {
    made().answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
    const got = await made().exchange('GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', 'ok');
    assert.equal(got, 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok');
    assert.match(made().received, /^GET \/x HTTP\/1\.1\r\nhost: dflt\r\n/);
  });

  test('a body without a length ends with the connection instead of in chunks', async () => {
    made().answer = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
    const got = await made().exchange('GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', '?');
    assert.equal(got, 'HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nabc');
  });

  test('an upstream of 1.0 is understood', async () => {
    made().answer = 'HTTP/1.0 200 OK\r\n\r\nok';
    const got = await made().exchange('GET /x HTTP/1.0\r\n\r\n', '?');
    assert.equal(got, 'HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nok');
  });
});

describe('framing and targets by option', () => {
  const made = scene({
    hcm: [
      'http_protocol_options: { allow_chunked_length: true, allow_custom_methods: true, ignore_http_11_upgrade: [{ exact: foo }] }',
    ],
    upstream: 'send_fully_qualified_url: true',
  });

  test('allow_chunked_length drops the length and closes behind the response', async () => {
    const got = await made().exchange(
      'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n',
      '?',
    );
    assert.equal(got, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok');
    assert.doesNotMatch(made().received, /content-length/);
  });

  test('send_fully_qualified_url writes the absolute form', async () => {
    await made().exchange('GET /x?y HTTP/1.1\r\nHost: a:8\r\n\r\n', 'ok');
    assert.match(made().received, /^GET http:\/\/a:8\/x\?y HTTP\/1\.1\r\nhost: a:8\r\n/);
  });

  test('allow_custom_methods lets any token through', async () => {
    await made().exchange('FROB-1 /x HTTP/1.1\r\nHost: a\r\n\r\n', 'ok');
    assert.match(made().received, /^FROB-1 http/);
  });

  test('ignore_http_11_upgrade serves the request as if it had not asked', async () => {
    const got = await made().exchange(
      'GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n',
      'ok',
    );
    assert.match(got, /^HTTP\/1\.1 200 OK/);
    assert.doesNotMatch(made().received, /upgrade/);
  });
});

describe('stream errors on invalid messages', () => {
  const made = scene({
    hcm: ['http_protocol_options: { override_stream_error_on_invalid_http_message: true }'],
  });

  test('a request without Host is refused and the connection goes on', async () => {
    const got = await made().exchange(
      'GET /x HTTP/1.1\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n',
      'ok',
    );
    assert.match(got, /^HTTP\/1\.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP\/1\.1 200 OK/);
  });
});

describe('headers with underscores', () => {
  const made = scene({
    hcm: ['common_http_protocol_options: { headers_with_underscores_action: DROP_HEADER }'],
  });

  test('are dropped and counted', async () => {
    await made().exchange('GET /x HTTP/1.1\r\nHost: a\r\nX_Y: 1\r\nX-Y: 2\r\n\r\n', 'ok');
    assert.match(made().received, /\r\nx-y: 2\r\n/);
    assert.doesNotMatch(made().received, /x_y/i);
    assert.match(await made().stats(), /http1\.dropped_headers_with_underscores: 1/);
  });
});
