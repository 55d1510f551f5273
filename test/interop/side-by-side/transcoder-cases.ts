// Requests for transcoder.test.ts, by variant of the filter. Envoy's answer is what is expected; where ours is
// another, `difference` names the entry of docs/differences.md.

import { labFrame } from '../../fakes/transcoding/lab.ts';

/** What the upstream does with a call. */
export interface ScriptedCall {
  /** Default: 200 with application/grpc. */
  readonly headers?: Readonly<Record<string, string | number>>;
  readonly body?: readonly Buffer[];
  /** Null = the head is all there is. */
  readonly trailers?: Readonly<Record<string, string>> | null;
}

export interface TranscoderCase {
  readonly variant: string;
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Written piece by piece. */
  readonly body?: readonly string[];
  readonly call?: ScriptedCall;
  readonly protocol?: 'h1' | 'h2';
  readonly difference?: string;
}

/** Fields of the filter besides descriptor and services, YAML flow. */
export const transcoderVariants: Readonly<Record<string, string>> = {
  plain: 'auto_mapping: true',
  strict:
    'request_validation_options: { reject_unknown_method: true, reject_unknown_query_parameters: true, reject_binding_body_field_collisions: true }',
  ignore: 'ignore_unknown_query_parameters: true',
  ignored: 'ignored_query_parameters: [foo, bar.baz]',
  capture: 'capture_unknown_query_parameters: true',
  whitespace: 'print_options: { add_whitespace: true }',
  print:
    'print_options: { always_print_primitive_fields: true, always_print_enums_as_ints: true, preserve_proto_field_names: true, stream_newline_delimited: true }',
  sse: 'print_options: { stream_sse_style_delimited: true }',
  status: 'convert_grpc_status: true',
  limits: 'max_request_body_size: 100, max_response_body_size: 100',
  incoming: 'match_incoming_request_route: true',
  outgoing: 'match_incoming_request_route: false',
  routed: 'auto_mapping: true',
  urls: 'url_unescape_spec: ALL_CHARACTERS_EXCEPT_SLASH, query_param_unescape_plus: true, match_unregistered_custom_verb: true, case_insensitive_enum_parsing: true',
};

const get = (
  path: string,
  variant = 'plain',
  more: Partial<TranscoderCase> = {},
): TranscoderCase => ({
  variant,
  method: 'GET',
  path,
  ...more,
});
const post = (
  path: string,
  body: string | readonly string[],
  more: Partial<TranscoderCase> = {},
): TranscoderCase => ({
  variant: 'plain',
  method: 'POST',
  path,
  body: typeof body === 'string' ? [body] : body,
  ...more,
});
const echo = (body: string): TranscoderCase => post('/echo', body);
const shelf = (plain: object): Buffer => labFrame('lab.Shelf', plain);
const answered = (
  body: readonly Buffer[],
  trailers: ScriptedCall['trailers'] = OK,
): ScriptedCall => ({
  body,
  trailers,
});
const OK = { 'grpc-status': '0' };
const failed = { 'grpc-status': '5', 'grpc-message': 'no%20such' };
const trailersOnly = (headers: Readonly<Record<string, string>>): ScriptedCall => ({
  headers,
  trailers: null,
});

const all = labFrame('lab.All', {
  ...{
    f_double: 1.5,
    f_float: 0.5,
    f_int32: -5,
    f_int64: '-9007199254740993',
    f_uint32: 4294967295,
  },
  ...{ f_uint64: '18446744073709551615', f_sint32: -1, f_fixed64: '5', f_bool: true, f_enum: 1 },
  ...{ f_string: 'hé<>&"\\\n\t\u2028\x7f\x01\u{1f600}', f_bytes: Buffer.from([0, 255, 254]) },
  ...{ f_message: { name: 'x' }, r_int32: [1, 2], r_enum: [1, 2, 99], m_string: { a: 'b' } },
  ...{ m_message: { 5: { id: '6' } }, m_enum: { true: 2 }, c_int32: 0, o_int32: 0, renamed: 'r' },
  ...{ w_timestamp: { seconds: '1704164645', nanos: 678_000_000 }, w_mask: { paths: ['a_b'] } },
  ...{ w_duration: { seconds: '-1', nanos: -500_000_000 }, w_bool: { value: false }, w_empty: {} },
  ...{ w_value: { nullValue: 0 }, w_list: { values: [{ numberValue: 1 }] }, w_string: {} },
});
const htmlBody = labFrame('google.api.HttpBody', { content_type: 'text/html', data: btoa('<p>') });
const details = Buffer.from(
  '08051203' +
    Buffer.from('mé').toString('hex') +
    '1a240a1d' +
    Buffer.from('type.googleapis.com/lab.Inner').toString('hex') +
    '12030a0164',
  'hex',
).toString('base64');

const paths: readonly TranscoderCase[] = [
  get('/shelves/5?filter=a%2Bb&inner.inner.id=7&tags=a&tags=b&color=RED'),
  ...['/shelves/abc', '/shelves/5?color=NOPE', '/shelves/5?inner=1', '/shelves/5?nums=x'].map(
    (path) => get(path),
  ),
  ...[
    '/shelves/5?nope=1',
    '/shelves/5?inner.nope=1',
    '/shelves/5?tags.x=1',
    '/shelves',
    '/shelves//5',
  ].map((path) => get(path)),
  ...[
    '/shelves/5/',
    '/shelves/5?shelf=6',
    '/shelves/5?filter',
    '/shelves/5?filter=',
    '/shelves/5?=x',
  ].map((path) => get(path)),
  ...['/shelves/5?mask=a,b.c', '/shelves/5?at=2024-01-02T03:04:05Z', '/shelves/5?note=hello'].map(
    (path) => get(path),
  ),
  ...['/shelves/5?note.value=hello', '/shelves/5?flag=yes&blob=AQID&ratio=1.5&opt=0'].map((path) =>
    get(path),
  ),
  ...[
    '/shelves/5?filter=a%20b+c%zz%2',
    '/shelves/5?fil%74er=x',
    '/shelves/5%2F6',
    '/shelves/5:read',
  ].map((path) => get(path)),
  ...[
    '/v2/things/a%2Fb%20c',
    '/v2/things/a/b',
    '/deep/a/x/b/c/d/end',
    '/deep/a/x/b/end',
    '/any',
  ].map((path) => get(path)),
  get('/any/a/b%2f%23/%20%2523'),
  get('/shelves/5?filter=a&filter=b'),
  get('/shelves/5?body.id=7&body.inner.name=x'),
  get('/shelves/7', 'plain', { method: 'REPORT' }),
  get('/shelves/7', 'plain', { method: 'DELETE' }),
  post('/shelves/7', ''),
  post('/v1/files/a/b%2Fc%20d:archive', '{"other":"o"}'),
  ...['/v1/files/a:b:archive', '/v1/files:archive', '/v1/files/a:nope'].map((path) =>
    post(path, '{}'),
  ),
  post('/lab.Lab/Auto', '{"name":"x"}'),
  post('/lab.Lab/Echo', '{}'),
  post('/echo', '\0\0\0\0\0', { headers: { 'content-type': 'application/grpc' } }),
];

const bodies: readonly TranscoderCase[] = [
  ...[
    '{"fInt32":1}',
    '{"f_int32":"1"}',
    '{"fInt32":1.5}',
    '{"fInt32":null}',
    '{"fInt32":[1]}',
    '{"fInt32":{}}',
  ].map(echo),
  ...['{"fInt64":9223372036854775807}', '{"fInt64":9223372036854775808}', '{"fUint32":-1}'].map(
    echo,
  ),
  ...[
    '{"fBool":1}',
    '{"fString":5}',
    '{"fString":"\\u00e9\\ud83d\\ude00"}',
    '{"fBytes":"-_8"}',
    '{"fBytes":"a"}',
  ].map(echo),
  ...[
    '{"fEnum":"RED"}',
    '{"fEnum":"red"}',
    '{"fEnum":99}',
    '{"fDouble":"NaN"}',
    '{"fDouble":1e400}',
  ].map(echo),
  ...[
    '{"nope":{"a":[1,{}]}}',
    '{"__proto__":{"a":1}}',
    '',
    '   ',
    '{',
    '{]',
    '[]',
    'null',
    '{"fInt32":1}x',
  ].map(echo),
  ...['{"fInt32" 1}', '{"fInt32":1 "fBool":true}', '{"fInt32":01}', '{"a":tru}'].map(echo),
  ...[
    '{"fMessage":{"inner":{"id":"x"}}}',
    '{"fMessage":5}',
    '{"rInt32":5}',
    '{"rMessage":[{},{"id":"x"}]}',
  ].map(echo),
  ...['{"mString":{"a":"b","__proto__":"c"}}', '{"mMessage":{"x":{}}}', '{"mString":[]}'].map(echo),
  ...['{"cString":"a","cInt32":1}', '{"cNull":null}', '{"oInt32":0}', '{"otherName":"a"}'].map(
    echo,
  ),
  ...[
    '{"wTimestamp":"2024-01-02T03:04:05+01:00"}',
    '{"wTimestamp":"nope"}',
    '{"wDuration":"-1.5s"}',
  ].map(echo),
  ...[
    '{"wDuration":"1"}',
    '{"wMask":"a,bC.dE"}',
    '{"wValue":[1,{"a":null}]}',
    '{"wStruct":{"a":1}}',
  ].map(echo),
  ...['{"wBool":true}', '{"wBool":{"value":true}}', '{"wInt64":"5"}', '{"wDouble":"NaN"}'].map(
    echo,
  ),
  ...[
    '{"wAny":{"name":"x","@type":"type.googleapis.com/lab.Inner"}}',
    '{"wAny":{"@type":"type.googleapis.com/nope.N"}}',
  ].map(echo),
  echo('{"wAny":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.5s"}}'),
  echo(`{"fMessage":${'{"inner":'.repeat(98)}{}${'}'.repeat(98)}}`),
  echo(`{"fMessage":${'{"inner":'.repeat(99)}{}${'}'.repeat(99)}}`),
  post('/echo', ['{"fIn', 't32":', '1}']),
  post('/shelves?filter=x', '{"id":5}'),
  post('/shelves?body.theme=x&body.id=6', '{"id":5}'),
  post('/shelves', ''),
  post('/shelves', '[1]'),
  post('/shelves/9', '{"theme":"t"}', { method: 'PATCH' }),
  post('/shelves/9', '{"theme":"t","id":4}', { method: 'PATCH' }),
  post('/shelves/3', '{"shelf":4,"tags":["x"],"color":"RED"}', { method: 'PUT' }),
  post('/shelves/3?tags=q&filter=g', '{"tags":["x"],"filter":"f"}', { method: 'PUT' }),
  post('/shelves/3?inner.name=q', '{"inner":{"id":1}}', { method: 'PUT' }),
  post('/tags/3', '["a","b"]'),
  post('/filter/3', '"hi"'),
  post('/filter/3', '{}'),
  post('/up', '[{"name":"a"},{"name":"b"}]'),
  post('/up', ['[{"na', 'me":"a"},', '{}]']),
  ...['[]', '', '{"name":"a"}', '[{"name":"a"}', '[5]', '5', '[{"id":"x"}]'].map((body) =>
    post('/up', body),
  ),
  post('/upbody/7', '[{"id":1},{"id":2}]'),
  post('/upload/n?inner.id=4', 'raw bytes', { headers: { 'content-type': 'image/png' } }),
  post('/upload/n', ''),
  post('/uploadraw', 'raw', { headers: { 'content-type': 'text/x' } }),
  post('/uploads/n', 'raw', { headers: { 'content-type': 'text/x' } }),
];

const responses: readonly TranscoderCase[] = [
  post('/echo', '{}', { call: answered([all]) }),
  ...[0, 1, 5, 16, 99].map((status) =>
    get('/shelves/1', 'plain', {
      call: answered([shelf({ id: 1 })], { 'grpc-status': String(status) }),
    }),
  ),
  get('/shelves/1', 'plain', { call: answered([], failed) }),
  get('/shelves/1', 'plain', { call: answered([shelf({ id: 1 })], { 'grpc-status': 'x' }) }),
  get('/shelves/1', 'plain', { call: answered([shelf({ id: 1 }), shelf({ id: 2 })]) }),
  get('/shelves/1', 'plain', { call: trailersOnly(failed) }),
  get('/shelves/1', 'plain', { call: trailersOnly(OK) }),
  get('/shelves/1', 'plain', {
    call: { headers: { 'content-type': 'text/plain' }, body: [Buffer.from('hello')] },
  }),
  get('/shelves/1', 'plain', {
    call: {
      headers: { ':status': 404, 'content-type': 'text/plain' },
      body: [Buffer.from('hello')],
    },
  }),
  get('/shelves/1', 'plain', { call: answered([Buffer.from([1, 0, 0, 0, 0])]) }),
  get('/shelves/1', 'plain', { call: answered([Buffer.from([0, 0, 0, 0, 5, 1])]) }),
  get('/shelves/1', 'plain', { call: answered([Buffer.from([0, 0, 0, 0, 3, 0x12, 1, 0xff])]) }),
  get('/down/x', 'plain', { call: answered([shelf({ id: 1 }), shelf({ id: 2 })]) }),
  get('/down/x', 'plain', { call: answered([]) }),
  get('/down/x', 'plain', { call: answered([shelf({ id: 1 })], failed) }),
  get('/down/x', 'plain', { call: trailersOnly(failed) }),
  get('/down/x', 'plain', { call: answered([shelf({ id: 1 }), Buffer.from([0, 0, 0, 0, 1, 8])]) }),
  post('/bidi', '[{"name":"a"}]', { call: answered([labFrame('lab.Inner', { id: 1 })]) }),
  get('/download/x', 'plain', { call: answered([htmlBody]) }),
  get('/download/x', 'plain', { call: answered([]) }),
  get('/download/x', 'plain', { call: answered([htmlBody], failed) }),
  get('/downloadfield/x', 'plain', {
    call: answered([
      labFrame('lab.DownloadReply', { body: { content_type: 'text/html', data: btoa('<p>') } }),
    ]),
  }),
  get('/downloads/x', 'plain', { call: answered([htmlBody, htmlBody]) }),
];

const options: readonly TranscoderCase[] = [
  ...['/nope', '/shelves/5?nope=1', '/shelves/5?tags.x=1'].map((path) => get(path, 'strict')),
  post('/shelves/3', '{"shelf":4}', { method: 'PUT', variant: 'strict' }),
  post('/shelves/3', '{"shelf":"3"}', { method: 'PUT', variant: 'strict' }),
  post('/shelves/3?filter=a', '{"filter":"b"}', { method: 'PUT', variant: 'strict' }),
  get('/shelves/5?nope=1&filter=x', 'ignore'),
  ...['/shelves/5?foo=1&bar.baz=x', '/shelves/5?fo%6f=1'].map((path) => get(path, 'ignored')),
  get('/shelves/5?nope=1', 'capture'),
  post('/uploadraw?nope=1&nope=2', 'raw', { variant: 'capture' }),
  post('/echo', '{}', { variant: 'whitespace', call: answered([all]) }),
  get('/down/x', 'whitespace', { call: answered([shelf({ id: 1 }), shelf({})]) }),
  post('/echo', '{}', { variant: 'print', call: answered([all]) }),
  get('/down/x', 'print', { call: answered([shelf({ id: 1, color: 1 }), shelf({})]) }),
  get('/down/x', 'print', { call: answered([]) }),
  get('/down/x', 'sse', { call: answered([shelf({ id: 1 }), shelf({})]) }),
  get('/down/x', 'sse', { call: trailersOnly(failed) }),
  ...[
    failed,
    { ...failed, 'grpc-status-details-bin': details },
    { 'grpc-status': '5', 'grpc-status-details-bin': '!' },
    OK,
  ].flatMap((status) =>
    ['/shelves/1', '/down/1', '/download/1'].flatMap((path) => [
      get(path, 'status', { call: trailersOnly(status) }),
      get(path, 'status', { call: answered([], status) }),
    ]),
  ),
  get('/shelves/1', 'status', { call: answered([shelf({ id: 1 })], failed) }),
  post('/echo', `{"fString":"${'a'.repeat(86)}"}`, { variant: 'limits' }),
  post('/echo', `{"fString":"${'a'.repeat(87)}"}`, { variant: 'limits' }),
  post('/upload/n', 'a'.repeat(101), { variant: 'limits' }),
  get('/shelves/1', 'limits', { call: answered([shelf({ theme: 'a'.repeat(93) })]) }),
  get('/shelves/1', 'limits', { call: answered([shelf({ theme: 'a'.repeat(94) })]) }),
  ...['/any/a%2Fb/c%23', '/shelves/5?filter=a+b%2Bc', '/any/a:b', '/shelves/5:b'].map((path) =>
    get(path, 'urls'),
  ),
  post('/echo', '{"fEnum":"red"}', { variant: 'urls' }),
  ...['incoming', 'outgoing'].map((variant) => get('/shelves/5', variant)),
  ...['/shelves/5', '/off/shelves/5', '/v2/things/a'].map((path) => get(path, 'routed')),
];

const overHttp2: readonly TranscoderCase[] = [
  get('/shelves/5?filter=x', 'plain', { call: answered([shelf({ id: 1 })]) }),
  get('/shelves/5', 'plain', { call: answered([], failed) }),
  get('/down/x', 'plain', { call: answered([shelf({ id: 1 })], failed) }),
  post('/up', ['[{"name":"a"},', '{"name":"b"}]']),
  post('/echo', '{"fInt32":"x"}'),
  get('/shelves/5', 'status', { call: answered([], failed) }),
].map((one): TranscoderCase => ({ ...one, protocol: 'h2' }));

const STRICT_JSON = '**JSON that is none**';
const LIMITS = '**max_request_body_size and max_response_body_size**';
const BROKEN_PROTO = '**Singular fields given twice**';

const differences: readonly TranscoderCase[] = [
  ...['{"fInt32":1,}', '{fInt32:1}', "{'fInt32':1}", '{"fString":"\n"}', '{"fString":"\\x"}'].map(
    (body): TranscoderCase => ({ ...echo(body), difference: STRICT_JSON }),
  ),
  get('/shelves/1', 'plain', {
    call: answered([Buffer.from('0000000004080108' + '02', 'hex')]),
    difference: BROKEN_PROTO,
  }),
  get('/shelves/5?filter=%ff', 'plain', {
    difference: '**Query parameters and paths that are no UTF-8**',
  }),
  get('/download/1', 'limits', {
    call: answered([labFrame('google.api.HttpBody', { data: btoa('a'.repeat(200)) })]),
    difference: LIMITS,
  }),
  post('/up', `[{"name":"${'a'.repeat(85)}"},{"name":"b"}]`, {
    variant: 'limits',
    difference: LIMITS,
  }),
];

export const transcoderCases: readonly TranscoderCase[] = [
  ...paths,
  ...bodies,
  ...responses,
  ...options,
  ...overHttp2,
];

export const transcoderDifferences: readonly TranscoderCase[] = differences;
