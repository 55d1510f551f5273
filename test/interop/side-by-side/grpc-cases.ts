// gRPC calls of the side-by-side test as bytes on HTTP/1.1, each with what the upstream answers. `difference`
// names the entry of docs/differences.md that explains why Remora is meant to differ.

import { CLOSE } from './scripted-http1.ts';

export interface GrpcCase {
  readonly variant: string;
  readonly name: string;
  /** Written piece by piece, a moment apart. */
  readonly request: readonly string[];
  /** One answer per try, the last one for all that follow; each written piece by piece. */
  readonly answers: readonly (readonly string[])[];
  readonly difference?: string;
}

/** One gRPC message with its length in front. */
export function frame(message: string, flags = 0): string {
  const header = Buffer.alloc(5);
  header[0] = flags;
  header.writeUInt32BE(message.length, 1);
  return header.toString('latin1') + message;
}

const base64 = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('base64');
const chunk = (data: string): string => `${data.length.toString(16)}\r\n${data}\r\n`;

const GRPC = 'application/grpc';
const WEB = 'application/grpc-web+proto';
const TEXT = 'application/grpc-web-text';
const PROTOBUF = 'application/x-protobuf';
const METHOD = '/a.b.Svc/Meth';
const HI = frame('hi');

interface RequestOptions {
  readonly type?: string;
  readonly path?: string;
  readonly headers?: readonly string[];
  readonly method?: string;
}

function post(body: string, options: RequestOptions = {}): string {
  const { type = GRPC, path = METHOD, headers = [], method = 'POST' } = options;
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: side.test', `content-type: ${type}`];
  return `${[...lines, ...headers, `content-length: ${body.length}`].join('\r\n')}\r\n\r\n${body}`;
}

function chunkedPost(type: string, pieces: readonly string[], trailers = ''): string[] {
  const head = `POST ${METHOD} HTTP/1.1\r\nHost: side.test\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`;
  const chunks = pieces.map(chunk);
  return [head + (chunks[0] ?? ''), ...chunks.slice(1), `0\r\n${trailers}\r\n`];
}

const OK_TRAILERS = 'grpc-status: 0\r\ngrpc-message: hello\r\n';

/** A response in chunks with trailers. */
function answer(
  pieces: readonly string[],
  trailers = OK_TRAILERS,
  head = `content-type: ${GRPC}\r\n`,
  status = '200 OK',
): string[] {
  const start = `HTTP/1.1 ${status}\r\n${head}transfer-encoding: chunked\r\n\r\n`;
  return [`${start + pieces.map(chunk).join('')}0\r\n${trailers}\r\n`];
}

/** The same with the pieces apart. */
function slowAnswer(pieces: readonly string[], trailers = OK_TRAILERS): string[] {
  const [whole = ''] = answer(pieces, trailers);
  const cuts = pieces.map(chunk);
  const head = whole.slice(0, whole.indexOf('\r\n\r\n') + 4);
  return [head, ...cuts, `0\r\n${trailers}\r\n`];
}

function plain(status: string, body: string, head = 'content-type: text/plain\r\n'): string[] {
  return [`HTTP/1.1 ${status}\r\n${head}content-length: ${body.length}\r\n\r\n${body}`];
}

const trailersOnly = (status: string, more = ''): string[] =>
  plain('200 OK', '', `content-type: ${GRPC}\r\ngrpc-status: ${status}\r\n${more}`);

/** The upstream hangs up within the body. */
function cutOff(status = '200 OK', head = `content-type: ${GRPC}\r\n`): string[] {
  const [whole = ''] = answer([HI, HI], OK_TRAILERS, head, status);
  return [whole.slice(0, -60), CLOSE];
}

const OK = answer([frame('world')]);

const one = (
  variant: string,
  name: string,
  request: string | readonly string[],
  answerBytes: readonly string[] = OK,
  difference?: string,
): GrpcCase => ({
  variant,
  name,
  request: typeof request === 'string' ? [request] : request,
  answers: [answerBytes],
  ...(difference === undefined ? {} : { difference }),
});

const webTypes = [
  '',
  '+proto',
  '+json',
  '+thrift',
  '-text',
  '-text+proto',
  '-text+json',
  'x',
  '; a=b',
];
const accepts = ['-text', '-text+proto', '-text+json', '', '-text, */*'];
const asText = { type: TEXT, headers: [`accept: ${TEXT}`] };

const web: readonly GrpcCase[] = [
  ...webTypes.map((suffix) => {
    const type = `application/grpc-web${suffix}`;
    const body = suffix.startsWith('-text') ? base64(HI) : HI;
    return one('web', `request of ${type}`, post(body, { type }));
  }),
  ...accepts.map((suffix) => {
    const headers = [`accept: application/grpc-web${suffix}`];
    return one('web', `response for ${headers[0]}`, post(HI, { type: WEB, headers }));
  }),
  one('web', 'not gRPC-Web', post(HI)),
  one(
    'web',
    'text both ways',
    post(base64(HI), asText),
    answer([frame('a') + frame('bcd'), frame('')]),
  ),
  one('web', 'text cut anywhere', [...chunkedPost(TEXT, ['A', 'AAAA', 'AJo', 'aQ=', '='])]),
  one(
    'web',
    'text response cut anywhere',
    post(base64(HI), asText),
    slowAnswer([
      frame('abcdef').slice(0, 3),
      frame('abcdef').slice(3, 8),
      frame('abcdef').slice(8),
    ]),
  ),
  one('web', 'compressed message as text', post(base64(HI), asText), answer([frame('ab', 1)])),
  one('web', 'text of no whole group', post('AAAAA', { type: TEXT })),
  one('web', 'text in chunks of no whole group', chunkedPost(TEXT, ['AAAA', 'A'])),
  ...['!!!!', '====', 'A===', 'AAAAAAJoaR==', 'AAAA\r\nAAAA\r\n', '__8-AAAA'].map((body) =>
    one('web', `text that is no base64: ${JSON.stringify(body)}`, post(body, { type: TEXT })),
  ),
  one('web', 'text with two padded parts, apart', [
    post(base64(HI) + base64(HI), { type: TEXT }).slice(0, -12),
    base64(HI),
  ]),
  one('web', 'no body', post('', { type: TEXT })),
  one(
    'web',
    'trailers-only',
    post(HI, { type: WEB }),
    trailersOnly('14', 'grpc-message: nope\r\n'),
  ),
  one('web', 'trailers-only as text', post(base64(HI), asText), trailersOnly('14')),
  one(
    'web',
    'no trailers',
    post(HI, { type: WEB }),
    plain('200 OK', HI, `content-type: ${GRPC}\r\n`),
  ),
  one('web', '503 with text', post(HI, { type: WEB }), plain('503 X', 'oh no')),
  one('web', '503 with text for text', post(base64(HI), asText), plain('503 X', 'oh no')),
  one(
    'web',
    '200 of HTML',
    post(HI, { type: WEB }),
    plain('200 OK', '<b>\noh %\xff\x01!\n', 'content-type: text/html\r\n'),
  ),
  one('web', '404 without a body', post(HI, { type: WEB }), plain('404 Not Found', '')),
  one('web', '503 with an empty body', post(HI, { type: WEB }), answer([], '', '', '503 X')),
  one(
    'web',
    '500 with trailers',
    post(HI, { type: WEB }),
    answer(['abc', 'def'], 'x-t: 1\r\n', '', '500 X'),
  ),
  one(
    'web',
    '500 with a grpc-status',
    post(HI, { type: WEB }),
    plain('500 X', 'oh no', 'grpc-status: 5\r\ngrpc-message: foo\r\n'),
  ),
  one(
    'web',
    '500 of gRPC',
    post(HI, { type: WEB }),
    plain('500 X', 'oh no', `content-type: ${GRPC}\r\n`),
  ),
  ...[
    'grpc+proto',
    'grpc-web',
    'grpc-web+proto',
    'grpc-web-text+proto',
    'grpc-web+json',
    'json',
  ].map((type) =>
    one(
      'web',
      `response of application/${type}`,
      post(HI, { type: WEB }),
      answer([frame('x')], OK_TRAILERS, `content-type: application/${type}\r\n`),
    ),
  ),
  one(
    'web',
    'an answer of 16,390 bytes',
    post(HI, { type: WEB }),
    plain('503 X', 'x'.repeat(16_382) + '%'.repeat(8)),
  ),
  one(
    'web',
    'trailers in capitals, repeated',
    post(HI, { type: WEB }),
    answer([HI], 'grpc-status: 3\r\nx-A: 1\r\nx-a: 2\r\nx-bin: AAA=\r\n'),
  ),
  one(
    'web',
    'TE and grpc-accept-encoding of the client',
    post(HI, { type: WEB, headers: ['te: gzip', 'grpc-accept-encoding: gzip', 'x-grpc-web: 1'] }),
  ),
  one('web', 'a path without a method', post(HI, { type: WEB, path: '/x' })),
  one('web', 'an upstream that is not there', post(HI, { type: WEB, path: '/dead/x' })),
  one('web', 'a direct response', post(HI, { type: WEB, path: '/direct/x' })),
  one('web', 'no route', post(HI, { type: WEB, path: '/a.b.Svc/Meth', headers: ['x-none: 1'] })),
  one(
    'web',
    'a preflight request',
    'OPTIONS /a.b.Svc/Meth HTTP/1.1\r\nHost: side.test\r\norigin: http://a\r\naccess-control-request-method: POST\r\n\r\n',
    plain('200 OK', ''),
  ),
  one('web', 'a response that is cut off', post(HI, { type: WEB }), cutOff()),
  one('web', 'an error that is cut off', post(HI, { type: WEB }), cutOff('503 X', '')),
  one('web-without-trailers', 'binary', post(HI, { type: WEB })),
];

const bridge: readonly GrpcCase[] = [
  ...['bridge', 'bridge-without-trailers'].flatMap((variant) => [
    one(variant, 'a call', post(HI)),
    one(
      variant,
      'a failed call',
      post(HI),
      answer([frame('world')], 'grpc-status: 5\r\ngrpc-message: nf\r\n'),
    ),
  ]),
  one('bridge', 'grpc+proto', post(HI, { type: 'application/grpc+proto' })),
  one('bridge', 'not gRPC', post('hi', { type: 'text/plain' })),
  one('bridge', 'protobuf that is not upgraded', post('hi', { type: PROTOBUF })),
  one('bridge', 'no body', post('')),
  one('bridge', 'trailers-only failure', post(HI), trailersOnly('14', 'grpc-message: nope\r\n')),
  one('bridge', 'trailers-only success', post(HI), trailersOnly('0')),
  one('bridge', 'a status that is no number', post(HI), answer([HI], 'grpc-status: abc\r\n')),
  one('bridge', 'no status', post(HI), answer([HI], 'x-y: z\r\n')),
  one(
    'bridge',
    'status twice',
    post(HI),
    answer([HI], 'grpc-status: 5\r\ngrpc-status: 0\r\ngrpc-message: a\r\ngrpc-message: b\r\n'),
  ),
  one('bridge', 'no trailers', post(HI), plain('200 OK', HI, `content-type: ${GRPC}\r\n`)),
  one('bridge', 'no trailers, in chunks', post(HI), answer([HI], '')),
  one('bridge', '503 of HTTP', post(HI), plain('503 X', 'oh no')),
  one('bridge', 'no message', post(HI), answer([])),
  one('bridge', 'a response in pieces', post(HI), slowAnswer(['abc', 'def', 'g'])),
  one('bridge', 'a response that is cut off', post(HI), cutOff()),
  one('bridge', 'an error that is cut off', post(HI), cutOff('503 X', '')),
  one('bridge', 'a query', post(HI, { path: `${METHOD}?x=1` })),
  one('upgrade', 'a query that is ignored', post(HI, { path: `${METHOD}?x=1` })),
  one(
    'upgrade',
    'a query of what is not gRPC',
    post(HI, { path: `${METHOD}?x=1`, type: 'text/plain' }),
  ),
  one('upgrade', 'a route by query', post(HI, { path: '/by-query/x?x=1' })),
  one('upgrade', 'a route by content-type', post(HI, { path: '/by-type/x', type: PROTOBUF })),
  ...[PROTOBUF, 'application/protobuf', `${PROTOBUF}; a=b`, `${PROTOBUF}+x`].map((type) =>
    one('upgrade', type, post('hi', { type })),
  ),
  one('upgrade', 'gRPC', post(HI)),
  one(
    'upgrade',
    'a failed call',
    post('hi', { type: PROTOBUF }),
    answer([frame('world')], 'grpc-status: 3\r\ngrpc-message: m\r\n'),
  ),
  one('upgrade', 'trailers-only', post('hi', { type: PROTOBUF }), trailersOnly('14')),
  one('upgrade', 'a body in pieces', chunkedPost(PROTOBUF, ['ab', 'cd', 'e'])),
  one('upgrade', 'two messages', post('hi', { type: PROTOBUF }), answer([frame('a') + frame('b')])),
  one('upgrade', 'an empty message', post('hi', { type: PROTOBUF }), answer([frame('')])),
  one('upgrade', 'less than a frame', post('hi', { type: PROTOBUF }), answer(['abc'])),
  one('upgrade', '404 without a body', post('hi', { type: PROTOBUF }), plain('404 X', '')),
  one('upgrade', 'an upstream that is not there', post('hi', { type: PROTOBUF, path: '/dead/x' })),
  one('upgrade', 'gRPC to an upstream that is not there', post(HI, { path: '/dead/x' })),
  one('upgrade', 'a direct response', post('hi', { type: PROTOBUF, path: '/direct/x' })),
  one(
    'bridge-small',
    'a response past the buffer limit',
    post(HI),
    slowAnswer([frame('x'.repeat(3000)), frame('y'.repeat(3000))]),
  ),
];

const statuses = [
  '0',
  '1',
  '4',
  '8',
  '13',
  '14',
  '16',
  '17',
  '77',
  '007',
  '-1',
  'abc',
  '',
  '99999999999999999999',
];
const oddPaths = ['/x', '/a/', '//b', '/a/b/c', '/a/b/', '//a//b', '/a.b.Svc/Meth?x=1/2'];

const stats: readonly GrpcCase[] = [
  // Of its own service: Envoy's stats of a listed method are others of the same name.
  ...['/l.Svc/Meth', '/l.Svc/Other', '/m.Svc/Meth', '/x'].map((path) =>
    one('stats-listed', `path ${path}`, post(HI, { path })),
  ),
  one('stats-state', 'no message', post('')),
  one('stats-state', 'not gRPC', post(HI, { type: 'text/plain' })),
  one('stats-state', 'neither way', post(HI, { type: 'text/plain' }), plain('200 OK', HI)),
  one(
    'stats-state',
    'messages cut anywhere',
    chunkedPost(GRPC, ['\0', '\0\0\0\0', HI + HI, 'x']),
    slowAnswer([HI + frame(''), frame('a').slice(0, 3)]),
  ),
  ...['stats-one', 'stats-state', 'stats-all', 'stats-dots'].flatMap((variant) => [
    one(variant, 'a call', post(HI)),
    one(variant, 'another method', post(HI, { path: '/a.b.Svc/Other' })),
    one(variant, 'a path without a method', post(HI, { path: '/x' })),
  ]),
  ...oddPaths.map((path) => one('stats-all', `path ${path}`, post(HI, { path }))),
  ...statuses.map((status) =>
    one('stats-all', `trailers-only '${status}'`, post(HI), trailersOnly(status)),
  ),
  ...statuses.map((status) =>
    one('stats-all', `trailers '${status}'`, post(HI), answer([HI], `grpc-status: ${status}\r\n`)),
  ),
  one(
    'stats-all',
    'messages cut anywhere',
    chunkedPost(GRPC, ['\0', '\0\0\0\0', HI + HI, 'x']),
    slowAnswer([HI + frame(''), frame('a').slice(0, 3)]),
  ),
  one('stats-all', 'a response that is cut off', post(HI), cutOff()),
  one('stats-all', 'no status', post(HI), answer([HI], 'x: y\r\n')),
  one('stats-all', '503 of HTTP', post(HI), plain('503 X', 'oh no')),
  one('stats-all', '200 of something else', post(HI), plain('200 X', HI)),
  one(
    'stats-all',
    'status in head and trailers',
    post(HI),
    answer([HI], 'grpc-status: 0\r\n', `content-type: ${GRPC}\r\ngrpc-status: 3\r\n`),
  ),
  one('stats-all', 'not gRPC', post(HI, { type: 'text/plain' })),
  one('stats-all', 'grpc+json', post(HI, { type: 'application/grpc+json' })),
  one('stats-all', 'gRPC-Web', post(HI, { type: WEB })),
  one(
    'stats-all',
    'unknown flags',
    post(frame('hi', 9) + frame('a')),
    answer([frame('x', 5) + frame('y')]),
  ),
  one('stats-all', 'no body', post('')),
  one('stats-all', 'no cluster', post(HI, { path: '/direct/x' })),
  one(
    'stats-all',
    'a cluster by header',
    post(HI, { path: '/by-header/x', headers: ['x-cluster: backend'] }),
  ),
  one('stats-all', 'an upstream that is not there', post(HI, { path: '/dead/x' })),
  one('web-stats', 'behind grpc_web', post(HI, { type: WEB })),
  one('stats-web', 'before grpc_web', post(HI, { type: WEB })),
];

const retried: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['cancelled', trailersOnly('1'), OK],
  ['deadline-exceeded', trailersOnly('4'), OK],
  ['resource-exhausted', trailersOnly('8'), OK],
  ['internal', trailersOnly('13'), OK],
  ['unavailable', trailersOnly('14'), OK],
  ['unknown, which is not retried', trailersOnly('2'), OK],
  ['a number above all', trailersOnly('77'), OK],
  ['text', trailersOnly('abc'), OK],
  [
    'a status in the head that is not all',
    answer([HI], OK_TRAILERS, `content-type: ${GRPC}\r\ngrpc-status: 14\r\n`),
    OK,
  ],
  ['a status in trailers, which comes too late', answer([HI], 'grpc-status: 14\r\n'), OK],
  ['503 of HTTP', plain('503 X', ''), OK],
  ['rate limited', trailersOnly('14', 'x-envoy-ratelimited: true\r\n'), OK],
  ['all tries', trailersOnly('14'), trailersOnly('14')],
  ['another status after the retry', trailersOnly('14'), trailersOnly('5')],
];

const router: readonly GrpcCase[] = [
  ...retried.map(([name, first, then]) => ({
    variant: 'plain',
    name: `retry: ${name}`,
    request: [post(HI, { path: '/retry/x' })],
    answers: [first, then],
  })),
  ...retried.map(([name, first, then]) => ({
    variant: 'plain',
    name: `retry of 5xx: ${name}`,
    request: [post(HI, { path: '/retry-5xx/x' })],
    answers: [first, then],
  })),
  {
    variant: 'plain',
    name: 'retry: not gRPC',
    request: [post(HI, { path: '/retry/x', type: 'text/plain' })],
    answers: [trailersOnly('14'), OK],
  },
  {
    variant: 'plain',
    name: 'retry: rate limited, if that is asked for',
    request: [post(HI, { path: '/retry-limited/x' })],
    answers: [trailersOnly('14', 'x-envoy-ratelimited: true\r\n'), OK],
  },
  ...['unavailable', 'cancelled', 'unavailable, internal', 'bogus', '5xx'].map((words) => ({
    variant: 'internal',
    name: `x-envoy-retry-grpc-on: ${words}`,
    request: [post(HI, { headers: [`x-envoy-retry-grpc-on: ${words}`, 'x-envoy-max-retries: 2'] })],
    answers: [trailersOnly('14'), trailersOnly('14'), OK],
  })),
  {
    variant: 'internal',
    name: 'x-envoy-retry-on does not know gRPC',
    request: [post(HI, { headers: ['x-envoy-retry-on: unavailable'] })],
    answers: [trailersOnly('14'), OK],
  },
  ...['/retry', '/retry-5xx', '/retry-once', '/slow'].flatMap((prefix) => {
    const request = [post(HI, { path: `${prefix}/x` })];
    return [
      { variant: 'plain', name: `${prefix}: reset at first`, request, answers: [[CLOSE], OK] },
      { variant: 'plain', name: `${prefix}: silence at first`, request, answers: [[], OK] },
    ];
  }),
  one('plain', 'retry: an upstream that is not there', post(HI, { path: '/retry-dead/x' })),
  ...statuses.map((status) =>
    one('plain', `trailers-only '${status}'`, post(HI), trailersOnly(status)),
  ),
  ...statuses.map((status) =>
    one('plain', `trailers '${status}'`, post(HI), answer([HI], `grpc-status: ${status}\r\n`)),
  ),
  one('plain', 'a response that is cut off', post(HI), cutOff()),
  one('plain', 'no trailers', post(HI), plain('200 OK', HI, `content-type: ${GRPC}\r\n`)),
  one('plain', '503 of HTTP', post(HI), plain('503 X', 'oh no')),
  one(
    'plain',
    '500 with a status',
    post(HI),
    plain('500 X', '', `content-type: ${GRPC}\r\ngrpc-status: 0\r\n`),
  ),
  one(
    'plain',
    'trailers-only to what is not gRPC',
    post(HI, { type: 'text/plain' }),
    trailersOnly('14'),
  ),
  ...Array.from({ length: 4 }, (_, i) =>
    one(
      'plain',
      `outlier detection: call ${i + 1}`,
      post(HI, { path: '/outlier/x' }),
      trailersOnly('14'),
    ),
  ),
  ...Array.from({ length: 4 }, (_, i) =>
    one(
      'plain',
      `outlier detection, trailers: call ${i + 1}`,
      post(HI, { path: '/outlier-late/x' }),
      answer([HI], 'grpc-status: 14\r\n'),
    ),
  ),
  ...Array.from({ length: 4 }, (_, i) =>
    one(
      'plain',
      `outlier detection, no number: call ${i + 1}`,
      post(HI, { path: '/outlier-text/x' }),
      trailersOnly('abc'),
    ),
  ),
];

const streamed = '**gRPC-Web text** responses stream';
const packed = '**Protobuf upgraded to gRPC**';

/** Come last: stats are compared before them. */
export const grpcDifferences: readonly GrpcCase[] = [
  one(
    'web',
    'text response without trailers',
    post(base64(HI), asText),
    plain('200 OK', HI, `content-type: ${GRPC}\r\n`),
    streamed,
  ),
  one(
    'web',
    'text response with flags that nobody knows',
    post(base64(HI), asText),
    answer([frame('ab', 7)]),
    streamed,
  ),
  one(
    'web',
    'text response that ends inside a message',
    post(base64(HI), asText),
    answer([frame('abcdef').slice(0, 8)]),
    streamed,
  ),
  one(
    'web',
    'text with two padded parts at once',
    post(base64(HI) + base64(HI), { type: TEXT }),
    OK,
    '**Padding in gRPC-Web text**',
  ),
  one(
    'upgrade',
    'a response whose frame is cut',
    post('hi', { type: PROTOBUF }),
    slowAnswer([frame('abcdef').slice(0, 3), frame('abcdef').slice(3)]),
    packed,
  ),
  one('upgrade', '503 of HTTP', post('hi', { type: PROTOBUF }), plain('503 X', 'oh no 12'), packed),
  one(
    'upgrade',
    'no trailers',
    post('hi', { type: PROTOBUF }),
    plain('200 OK', HI, `content-type: ${GRPC}\r\n`),
    packed,
  ),
  one('upgrade', 'no body', post('', { type: PROTOBUF }), OK, packed),
  one(
    'upgrade',
    'trailers behind the body',
    chunkedPost(PROTOBUF, ['ab', 'cd'], 'x-t: 1\r\n'),
    OK,
    packed,
  ),
];

export const grpcCases: readonly GrpcCase[] = [...web, ...bridge, ...stats, ...router];
