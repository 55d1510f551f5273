// The requests of the side-by-side test, as bytes on the wire. Each is sent on a fresh connection to Envoy
// and to Remora; `difference` names an intended deviation that docs/differences.md explains.

export interface Case {
  readonly name: string;
  readonly bytes: string;
  /** Responses to read before the connection is closed by us. Default 1. */
  readonly responses?: number;
  /** Method of the requests when it changes how a response is framed. */
  readonly head?: boolean;
  /** Set when Remora is meant to differ; the text must stand in docs/differences.md. */
  readonly difference?: string;
}

const CRLF = '\r\n';

/** A request with Host unless `headers` bring their own. */
function request(
  method: string,
  target: string,
  headers: readonly string[] = [],
  body = '',
): string {
  const hasHost = headers.some((line) => line.toLowerCase().startsWith('host:'));
  const lines = [
    `${method} ${target} HTTP/1.1`,
    ...(hasHost ? [] : ['Host: side.test']),
    ...headers,
  ];
  if (body !== '' && !headers.some((line) => /^(transfer-encoding|content-length):/i.test(line))) {
    lines.push(`Content-Length: ${body.length}`);
  }
  return `${lines.join(CRLF)}${CRLF}${CRLF}${body}`;
}

const get = (name: string, target: string, headers: readonly string[] = []): Case => ({
  name,
  bytes: request('GET', target, headers),
});

const manyHeaders = (count: number) => Array.from({ length: count }, (_, i) => `x-h${i}: ${i}`);

export const cases: readonly Case[] = [
  // Plain forwarding.
  get('a plain GET', '/hello'),
  get('a query string', '/hello?a=1&b=%20x'),
  { name: 'HEAD', bytes: request('HEAD', '/hello'), head: true },
  { name: 'POST with a length', bytes: request('POST', '/hello', [], 'some body') },
  {
    name: 'POST in chunks',
    bytes: request(
      'POST',
      '/hello',
      ['Transfer-Encoding: chunked'],
      '5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n',
    ),
  },
  { name: 'PUT with an empty body', bytes: request('PUT', '/hello', ['Content-Length: 0']) },
  { name: 'DELETE without a body', bytes: request('DELETE', '/hello') },
  { name: 'PATCH', bytes: request('PATCH', '/hello', [], '{}') },
  { name: 'OPTIONS', bytes: request('OPTIONS', '/hello') },
  get('a chunked response', '/chunked'),
  get('a response of 100,000 bytes', '/big'),
  get('status 204', '/status/204'),
  get('status 304', '/status/304'),
  get('status 404 of the upstream', '/status/404'),
  get('status 500 of the upstream', '/status/500'),
  {
    name: 'two pipelined requests',
    bytes: request('GET', '/hello?1') + request('GET', '/hello?2'),
    responses: 2,
  },
  {
    name: 'two with a body between',
    bytes: request('POST', '/hello?1', [], 'body') + request('GET', '/hello?2'),
    responses: 2,
  },
  get('Connection: close', '/hello', ['Connection: close']),
  get('Connection: keep-alive', '/hello', ['Connection: keep-alive', 'Keep-Alive: timeout=5']),
  get('an upstream that closes its connection after the answer', '/connection-close'),
  get('Connection naming a header', '/hello', ['Connection: x-hop', 'x-hop: 1']),
  get('TE: trailers', '/hello', ['TE: trailers']),
  get('TE: gzip', '/hello', ['TE: gzip']),
  get('Proxy-Connection', '/hello', ['Proxy-Connection: keep-alive']),
  get('headers in capitals', '/hello', ['X-Custom-Header: MixedCase']),
  get('the same header twice', '/hello', ['x-twice: a', 'x-twice: b']),
  get('two cookie headers', '/hello', ['cookie: a=1', 'cookie: b=2']),
  get('lists that are joined', '/hello', ['accept: a', 'x-between: 1', 'Accept: b', 'accept: c']),
  get('lists with empty values', '/hello', ['accept:', 'accept: b', 'via: x', 'via:']),
  get('lists that are not joined', '/hello', ['accept-language: a', 'accept-language: b']),
  get('authorization twice', '/hello', ['authorization: a', 'authorization: b']),
  get('user-agent and origin twice', '/hello', [
    'user-agent: a',
    'user-agent: b',
    'origin: c',
    'origin: d',
  ]),
  get('response lists, joined and not', '/repeated'),
  { name: 'OPTIONS *', bytes: request('OPTIONS', '*') },
  get('bytes 0x80 to 0xff in a value', '/hello', [
    `x-bytes: ${Array.from({ length: 128 }, (_, i) => String.fromCharCode(128 + i)).join('')}`,
  ]),
  get('an empty header value', '/hello', ['x-empty:']),
  get('white space around a value', '/hello', ['x-padded:   padded   ']),
  get('latin-1 bytes in a value', '/hello', ['x-latin: caf\u00e9']),
  get('an underscore in a name', '/hello', ['x_under_score: 1']),
  {
    name: 'Expect: 100-continue',
    bytes: request('POST', '/hello', ['Expect: 100-continue', 'Content-Length: 4'], 'body'),
  },
  // Headers that the proxy owns.
  get('x-request-id of the client is kept', '/hello', [
    'x-request-id: 11111111-2222-4333-8444-555555555555',
  ]),
  get('X-Forwarded-For of the client is kept', '/hello', ['X-Forwarded-For: 1.2.3.4, 5.6.7.8']),
  get('X-Forwarded-Proto of the client is kept', '/hello', ['X-Forwarded-Proto: https']),
  get('x-envoy-internal from outside', '/hello', ['x-envoy-internal: true']),
  get('x-envoy-upstream-rq-timeout-ms from outside', '/hello', [
    'x-envoy-upstream-rq-timeout-ms: 1',
  ]),
  get('x-envoy-retry-on from outside', '/status/503', [
    'x-envoy-retry-on: 5xx',
    'x-envoy-max-retries: 3',
  ]),
  get('x-forwarded-client-cert is sanitised', '/hello', [
    'x-forwarded-client-cert: By=spiffe://a/b',
  ]),
  get('response headers removed, set-cookie twice, server overwritten', '/headers/hidden'),
  get('request header mutations', '/headers/x', [
    'x-appended: first',
    'x-overwritten: old',
    'x-secret: s',
  ]),
  get('ADD_IF_ABSENT with the header there', '/headers/x', ['x-absent: mine']),
  // Routing.
  get('exact path', '/exact'),
  get('exact path with a query', '/exact?q=1'),
  get('exact path with more', '/exact/more'),
  get('path_separated_prefix itself', '/sep'),
  get('path_separated_prefix below', '/sep/a'),
  get('path_separated_prefix with a query', '/sep?x'),
  get('path_separated_prefix with other text', '/separate'),
  get('safe_regex', '/regex/42'),
  get('safe_regex with a query', '/regex/42?x=1'),
  get('safe_regex that does not match whole', '/regex/42x'),
  get('header match', '/match', ['x-kind: special']),
  get('query match', '/match?a=0&q=1'),
  { name: 'method match', bytes: request('DELETE', '/match') },
  get('no match falls through', '/match?q=2'),
  get('case-insensitive prefix', '/INSENSITIVE/x'),
  get('prefix rewrite', '/rewrite/a/b?c=d'),
  get('regex rewrite', '/regex-rewrite/one/two?q=1'),
  get('host rewrite', '/host-rewrite'),
  get('narrow virtual host, route there', '/only', ['Host: narrow.test']),
  get('narrow virtual host, no route', '/else', ['Host: narrow.test']),
  get('wildcard suffix host', '/only', ['Host: a.b.wild.test']),
  get('wildcard prefix host', '/only', ['Host: prefix.example.org']),
  get('host in capitals', '/only', ['Host: NARROW.test']),
  get('host with a port does not match', '/only', ['Host: narrow.test:80']),
  get('direct response', '/direct'),
  { name: 'HEAD of a direct response', bytes: request('HEAD', '/direct'), head: true },
  get('direct response without a body', '/direct-empty'),
  get('path redirect', '/redirect/path?gone=1'),
  get('https redirect', '/redirect/https?keep=1'),
  get('prefix redirect', '/redirect/prefix/x?keep=1'),
  get('host and port redirect', '/redirect/host?gone=1'),
  // Failures.
  get('connection refused', '/dead'),
  get('no endpoints', '/empty'),
  get('pending overflow', '/overflow'),
  get('unknown cluster by header', '/by-header', ['x-cluster: nowhere']),
  get('cluster header missing', '/by-header'),
  get('known cluster by header', '/by-header', ['x-cluster: backend']),
  get('route timeout', '/timeout/silent'),
  get('per-try timeout, then the retry too', '/pertry/silent'),
  get('upstream closes without an answer', '/close'),
  get('retry succeeds', '/retry/fail-once'),
  get('retries used up', '/retry/fail-thrice'),
  {
    name: 'retry of a POST sends the body again',
    bytes: request('POST', '/retry/fail-once', [], 'again'),
  },
  // Filters.
  get('rbac denies a path', '/rbac/denied/x'),
  get('rbac denies a header', '/hello', ['x-forbidden: yes']),
  get('fault abort', '/fault/abort'),
  get('fault delay', '/fault/delay'),
  // Framing and limits: always strict. Where Envoy is not, the case is marked and stands at the end.
  { name: 'no Host', bytes: 'GET /hello HTTP/1.1\r\n\r\n' },
  { name: 'HTTP/1.0', bytes: 'GET /hello HTTP/1.0\r\nHost: side.test\r\n\r\n' },
  {
    name: 'Content-Length and Transfer-Encoding',
    bytes: request(
      'POST',
      '/hello',
      ['Content-Length: 4', 'Transfer-Encoding: chunked'],
      '0\r\n\r\n',
    ),
  },
  {
    name: 'Transfer-Encoding: gzip',
    bytes: request('POST', '/hello', ['Transfer-Encoding: gzip'], 'x'),
  },
  {
    name: 'two different Content-Lengths',
    bytes: request('POST', '/hello', ['Content-Length: 4', 'Content-Length: 5'], 'body'),
  },
  {
    name: 'a Content-Length that is no number',
    bytes: request('POST', '/hello', ['Content-Length: 4x'], 'body'),
  },
  {
    name: 'a bad chunk size',
    bytes: request('POST', '/hello', ['Transfer-Encoding: chunked'], 'zz\r\nhello\r\n0\r\n\r\n'),
  },
  { name: 'a space before the colon', bytes: request('GET', '/hello', ['x-bad : 1']) },
  { name: 'a NUL in a value', bytes: request('GET', '/hello', ['x-nul: a\0b']) },
  { name: 'a request line that is none', bytes: 'nonsense\r\n\r\n' },
  { name: '101 headers', bytes: request('GET', '/hello', manyHeaders(101)) },
  {
    name: 'a header of 70 KiB',
    bytes: request('GET', '/hello', [`x-big: ${'a'.repeat(70 * 1024)}`]),
  },
  { name: 'a path of 8 KiB', bytes: request('GET', `/${'p'.repeat(8192)}`) },
  {
    name: 'absolute-form',
    bytes: request('GET', 'http://absolute.test/hello', ['Host: other.test']),
  },
  { name: 'CONNECT', bytes: 'CONNECT side.test:443 HTTP/1.1\r\nHost: side.test:443\r\n\r\n' },
  get('dot segments stay without normalize_path', '/a/../hello'),
  get('double slashes stay without merge_slashes', '//a//hello'),
  get('a fragment in the target', '/hello#frag'),
  {
    name: 'two Host lines',
    bytes: request('GET', '/hello', ['Host: a.test', 'Host: b.test']),
    difference: '**Two Host lines**',
  },
  {
    name: 'bare LF line ends',
    bytes: 'GET /hello HTTP/1.1\nHost: side.test\n\n',
    difference: '**Bare LF**',
  },
  {
    name: 'a folded header line',
    bytes: request('GET', '/hello', ['x-folded: a\r\n b']),
    difference: '**Folded lines**',
  },
];
