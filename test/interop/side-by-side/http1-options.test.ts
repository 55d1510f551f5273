// Options of the HTTP/1 codecs, Envoy and Remora side by side over raw sockets: what the client and what the upstream get
// must be the same bytes, but for the order of headers and the values that differ from run to run.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { skipWithout } from '../peers.ts';
import { type ProxyKind, startVariants, type VariantProxies } from './variants.ts';

const PRESERVE_CASE =
  'header_key_format: { stateful_formatter: { name: p, typed_config: { "@type": type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig, forward_reason_phrase: true } } }';
const PROPER_ENVOY_HEADERS = PRESERVE_CASE.replace(
  'forward_reason_phrase: true',
  'formatter_type_on_envoy_headers: PROPER_CASE',
);
const PROPER_CASE = 'header_key_format: { proper_case_words: {} }';

/** Http1ProtocolOptions of listener and cluster, by the name of the variant. */
const options: Readonly<Record<string, { hcm: string; upstream: string }>> = {
  plain: { hcm: '', upstream: '' },
  preserve: { hcm: PRESERVE_CASE, upstream: PRESERVE_CASE },
  'preserve-proper': { hcm: PROPER_ENVOY_HEADERS, upstream: PROPER_ENVOY_HEADERS },
  proper: { hcm: PROPER_CASE, upstream: PROPER_CASE },
  trailers: { hcm: 'enable_trailers: true', upstream: 'enable_trailers: true' },
  'half-trailers': { hcm: 'enable_trailers: true', upstream: '' },
  'http-10': { hcm: 'accept_http_10: true, default_host_for_http_10: dflt', upstream: '' },
  custom: {
    hcm: 'allow_custom_methods: true, ignore_http_11_upgrade: [{ exact: foo }], override_stream_error_on_invalid_http_message: true',
    upstream: 'send_fully_qualified_url: true',
  },
  relative: { hcm: 'allow_absolute_url: false', upstream: '' },
  continue: { hcm: '', upstream: '' },
};

interface Exchange {
  readonly variant: string;
  readonly name: string;
  readonly request: string;
  readonly answer?: string;
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';
const CASES =
  'HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX-ResP: a\r\nx-two: 1\r\nX-Two: 2\r\n\r\nok';
const TRAILERS =
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-TraiL: t\r\n\r\n';
const UPLOAD =
  'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-uP: 1\r\n\r\n2\r\nab\r\n0\r\nT-rAil: z\r\n\r\n';
const MIXED =
  'GET /x HTTP/1.1\r\nHoSt: a\r\nX-ABc: 1\r\nx-abc: 2\r\naccept: c\r\nAccept: b\r\n\r\n';

const exchanges: readonly Exchange[] = [
  ...['plain', 'preserve', 'preserve-proper', 'proper'].flatMap((variant): Exchange[] => [
    { variant, name: 'names in mixed case', request: MIXED, answer: CASES },
    { variant, name: 'a chunked upload', request: UPLOAD, answer: TRAILERS },
    { variant, name: 'a local reply', request: 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n' },
  ]),
  ...['trailers', 'half-trailers', 'plain'].map(
    (variant): Exchange => ({ variant, name: 'trailers', request: UPLOAD, answer: TRAILERS }),
  ),
  ...['http-10', 'plain'].flatMap((variant): Exchange[] => [
    { variant, name: 'HTTP/1.0', request: 'GET /x HTTP/1.0\r\n\r\n' },
    {
      variant,
      name: 'HTTP/1.0 that keeps its connection',
      request: 'GET /x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n',
    },
    {
      variant,
      name: 'HTTP/1.0 and a body without a length',
      request: 'GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
      answer: TRAILERS,
    },
    {
      variant,
      name: 'an upstream of HTTP/1.0',
      request: 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n',
      answer: 'HTTP/1.0 200 OK\r\nx: y\r\n\r\nok',
    },
  ]),
  ...['custom', 'plain'].flatMap((variant): Exchange[] => [
    { variant, name: 'an unknown method', request: 'FROB /x HTTP/1.1\r\nHost: a\r\n\r\n' },
    { variant, name: 'a path and a query', request: 'GET /x?y HTTP/1.1\r\nHost: a:8\r\n\r\n' },
    { variant, name: 'no Host', request: 'GET /x HTTP/1.1\r\n\r\n' },
  ]),
  {
    variant: 'custom',
    name: 'an upgrade that is ignored',
    request: 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n',
  },
  ...['relative', 'plain'].map(
    (variant): Exchange => ({
      variant,
      name: 'an absolute-form',
      request: 'GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n',
    }),
  ),
  ...['continue', 'plain'].flatMap((variant): Exchange[] => [
    {
      variant,
      name: '103',
      request: 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n',
      answer: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}`,
    },
    {
      variant,
      name: 'Expect: 100-continue',
      request: 'POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab',
      answer: `HTTP/1.1 100 Continue\r\n\r\n${OK}`,
    },
    {
      variant,
      name: 'Expect: other',
      request: 'POST /x HTTP/1.1\r\nHost: a\r\nExpect: other\r\nContent-Length: 2\r\n\r\nab',
    },
  ]),
];

const clusterOf = (name: string, port: number): string => `
    - name: up-${name}
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, common_http_protocol_options: { max_requests_per_connection: 1 }, explicit_http_config: { http_protocol_options: { ${options[name]?.upstream} } } } }
      load_assignment: { cluster_name: up-${name}, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] }`;

/** Less the values that differ from run to run. differences.md: **103** has its reason phrase here. */
const masked = (text: string): string =>
  text
    .replace('HTTP/1.1 103 Unknown', 'HTTP/1.1 103 Early Hints')
    .replace(/^(date|x-request-id|x-envoy-upstream-service-time): .*$/gim, '$1: *');

/** Heads with their lines sorted: the order of headers is not compared. */
function canonical(text: string): string {
  return masked(text)
    .split('\r\n\r\n')
    .map((part) => {
      const [first = '', ...lines] = part.split('\r\n');
      return /HTTP\/1\.[01]/.test(first) ? [first, ...lines.sort()].join('\r\n') : part;
    })
    .join('\r\n\r\n');
}

describe('HTTP/1 options side by side with Envoy', { skip: skipWithout('envoy') }, () => {
  let proxies: VariantProxies;
  let answer = OK;
  let seen = '';
  const upstream = net.createServer((socket) => {
    let received = '';
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      const had = isWholeRequest(received);
      received += chunk.toString('latin1');
      if (had || !isWholeRequest(received)) return;
      seen += received;
      if (answer.startsWith('HTTP/1.0')) socket.end(answer);
      else socket.write(answer);
    });
  });

  before(async () => {
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as net.AddressInfo; // it listens on TCP
    const names = Object.keys(options);
    proxies = await startVariants(
      names.map((name) => ({
        name,
        hcm: `http_protocol_options: { ${options[name]?.hcm} }\nproxy_100_continue: ${name === 'continue'}`,
        routeConfig: `{ name: ${name}, virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: up-${name} } }] }] }`,
      })),
      port,
      names.map((name) => clusterOf(name, port)).join(''),
    );
  });
  after(async () => {
    await proxies.stop();
    upstream.close();
  });

  async function observe(kind: ProxyKind, one: Exchange): Promise<{ client: string; up: string }> {
    answer = one.answer ?? OK;
    seen = '';
    const socket = net.connect(proxies.port(kind, one.variant), '127.0.0.1');
    socket.on('error', () => {});
    socket.write(one.request);
    let client = '';
    socket.on('data', (chunk) => {
      client += chunk.toString('latin1');
    });
    await Promise.race([
      new Promise((resolve) => socket.once('end', resolve)),
      wholeResponse(() => client),
    ]);
    socket.destroy();
    return { client: canonical(client), up: canonical(seen) };
  }

  for (const one of exchanges) {
    test(`${one.variant}: ${one.name}`, async () => {
      const envoy = await observe('envoy', one);
      assert.notEqual(envoy.client, '');
      assert.deepEqual(await observe('remora', one), envoy);
    });
  }
});

function isWholeRequest(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return false;
  if (/^transfer-encoding: chunked$/im.test(text)) return /\r\n0\r\n(.+\r\n)*\r\n$/.test(text);
  const length = Number(/^content-length: (\d+)$/im.exec(text)?.[1] ?? 0);
  return text.length >= end + 4 + length;
}

/** Resolves a moment after the final response is whole: an end that belongs to it has come by then. */
async function wholeResponse(text: () => string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const final = text().replace(/^(HTTP\/1\.1 1\d\d .*\r\n(.+\r\n)*\r\n)+/, '');
    if (final !== '' && isWholeRequest(final)) return;
  }
}
