// Suite A, rows of one request each: framing of HTTP/1 (RFC 9112). The oracle is judgeRow in requests.ts.
// Rows that need more than one request, time or a measure are in h1-connection.test.ts.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { HostileScene } from './harness.ts';
import { judgeRow, type RequestRow, refused, served, valuesOf } from './requests.ts';

const post = (lines: readonly string[], body = ''): string =>
  `POST /hostile HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n${body}`;
const get = (lines: readonly string[]): string =>
  `GET /hostile HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const CHUNKED = 'Transfer-Encoding: chunked';
const HELLO = '5\r\nhello\r\n0\r\n\r\n';
const chunks = (body: string): string => post([CHUNKED], body);
const hasBody = (text: string) => (request: { readonly body: Buffer }) =>
  assert.equal(request.body.toString('latin1'), text);
const byte = (code: number): string => String.fromCharCode(code);

const BOTH = /^http1\.content_length_and_chunked_not_allowed$/;
const CODING = /^http1\.invalid_transfer_encoding$/;
const CODEC = /^http1\.codec_error$/;
const CHARACTERS = /^http1\.invalid_characters$/;
const UNDERSCORE = /^http1\.unexpected_underscore$/;

const rows: readonly RequestRow[] = [
  refused('H1-01 CL then TE: chunked', post(['Content-Length: 5', CHUNKED], HELLO), BOTH),
  refused('H1-02 TE then CL', post([CHUNKED, 'Content-Length: 5'], HELLO), BOTH),
  refused(
    'H1-03 an unknown coding and CL',
    post(['Transfer-Encoding: xchunked', 'Content-Length: 5'], HELLO),
    BOTH,
  ),
  refused('H1-04 a space before the colon', post(['Transfer-Encoding : chunked'], HELLO), CODEC),
  served(
    'H1-05 a tab before the coding',
    post(['Transfer-Encoding:\tchunked'], HELLO),
    (request) => {
      assert.deepEqual(valuesOf(request, 'transfer-encoding'), ['chunked']);
      hasBody('hello')(request);
    },
  ),
  ...[0x0b, 0x0c, 0x00].map((code) =>
    refused(
      `H1-06 byte ${code} beside the coding`,
      post([`Transfer-Encoding: ${byte(code)}chunked`], HELLO),
      CHARACTERS,
    ),
  ),
  refused('H1-06 NUL behind the coding', post(['Transfer-Encoding: chunked\0'], HELLO), CHARACTERS),
  refused(
    'H1-06 byte 160 beside the coding',
    post(['Transfer-Encoding: \xa0chunked'], HELLO),
    CODING,
  ),
  refused('H1-07 a folded coding', post(['Transfer-Encoding:', ' chunked'], HELLO)),
  refused('H1-08 two lines with a coding', post([CHUNKED, CHUNKED], HELLO), CODING),
  refused('H1-08 chunked twice', post(['Transfer-Encoding: chunked, chunked'], HELLO), CODING),
  refused(
    'H1-09 chunked is not the last',
    post(['Transfer-Encoding: chunked, gzip'], HELLO),
    CODING,
  ),
  refused('H1-10 gzip, chunked', post(['Transfer-Encoding: gzip, chunked'], HELLO), CODING, [501]),
  ...[',chunked', 'chunked,'].map((coding) =>
    refused(`H1-11 ${coding}`, post([`Transfer-Encoding: ${coding}`], HELLO), CODING),
  ),
  refused(
    'H1-12 an empty coding and CL',
    post(['Transfer-Encoding:', 'Content-Length: 5'], HELLO),
    BOTH,
  ),
  refused(
    'H1-13 identity and CL',
    post(['Transfer-Encoding: identity', 'Content-Length: 5'], 'hello'),
    BOTH,
  ),
  refused('H1-13 identity', post(['Transfer-Encoding: identity']), CODING, [501]),
  refused(
    'H1-14 a coding in HTTP/1.0',
    `POST /hostile HTTP/1.0\r\nHost: a\r\n${CHUNKED}\r\n\r\n${HELLO}`,
    /^http1\.transfer_encoding_not_allowed$/,
  ),
  refused('H1-14 HTTP/1.0', 'GET /hostile HTTP/1.0\r\nHost: a\r\n\r\n', /^low_version$/, [426]),
  refused('H1-15 Transfer_Encoding', post(['Transfer_Encoding: chunked']), UNDERSCORE),
  refused('H1-15 Content_Length', post(['Content_Length: 5']), UNDERSCORE),
  refused('H1-16 CL twice, equal', post(['Content-Length: 2', 'Content-Length: 2'], 'ab'), CODEC),
  refused('H1-16 CL 2, 2', post(['Content-Length: 2, 2'], 'ab'), CODEC),
  refused(
    'H1-17 CL twice, different',
    post(['Content-Length: 2', 'Content-Length: 3'], 'abc'),
    CODEC,
  ),
  ...['-1', '+2', '0x2', '1_0', '2 3', ''].map((length) =>
    refused(`H1-18 CL '${length}'`, post([`Content-Length: ${length}`], 'abc'), CODEC),
  ),
  ...['18446744073709551618', `1${'0'.repeat(40)}`].map((length) =>
    refused(`H1-19 CL ${length}`, post([`Content-Length: ${length}`], 'ab'), CODEC),
  ),
  served('H1-20 CL 0002', post(['Content-Length: 0002'], 'ab'), (request) => {
    assert.deepEqual(valuesOf(request, 'content-length'), ['2']);
    hasBody('ab')(request);
  }),
  ...['20000000000001', '10000000000000002'].map((size) =>
    refused(`H1-21 chunk size ${size}`, chunks(`${size}\r\nab\r\n0\r\n\r\n`), CODEC),
  ),
  ...['0x2', '-2', '+2', '0_2', ''].map((size) =>
    refused(`H1-22 chunk size '${size}'`, chunks(`${size}\r\nab\r\n0\r\n\r\n`), CODEC),
  ),
  ...[' 2', '2 ', '2\t'].map((size) =>
    refused(`H1-23 chunk size '${size}'`, chunks(`${size}\r\nab\r\n0\r\n\r\n`), CODEC),
  ),
  served(
    'H1-24 a chunk extension',
    chunks(`5;name="v;1"\r\nhello\r\n0;x\r\n\r\n`),
    hasBody('hello'),
  ),
  ...['\n', '\r', '\0'].map((code) =>
    refused(
      `H1-25 byte ${code.charCodeAt(0)} in a chunk extension`,
      chunks(`2;a${code}b\r\nab\r\n0\r\n\r\n`),
      CODEC,
    ),
  ),
  refused(
    'H1-26 chunk extensions of 16 KiB and one byte',
    chunks(`1;${'x'.repeat(16 * 1024)}\r\na\r\n0\r\n\r\n`),
    CODEC,
    [413],
  ),
  refused(
    'H1-26 chunk extensions of 16 KiB over many chunks',
    chunks(`${`1;${'x'.repeat(62)}\r\na\r\n`.repeat(261)}0\r\n\r\n`),
    CODEC,
    [413],
  ),
  refused('H1-27 a bare LF behind the size', chunks('2\nab\r\n0\r\n\r\n'), CODEC),
  refused('H1-27 a bare LF behind the data', chunks('2\r\nab\n0\r\n\r\n'), CODEC),
  refused('H1-27 a bare LF behind the last size', chunks('2\r\nab\r\n0\n\r\n'), CODEC),
  refused('H1-27 a bare LF at the end', chunks('2\r\nab\r\n0\r\n\n'), CODEC),
  refused('H1-28 more data than the size says', chunks('2\r\nabc\r\n0\r\n\r\n'), CODEC),
  served(
    'H1-29 a megabyte in one-byte chunks',
    chunks(`${'1\r\nx\r\n'.repeat(1024 * 1024)}0\r\n\r\n`),
    (request) => assert.equal(request.body.length, 1024 * 1024),
  ),
  ...['Content-Length: 9', CHUNKED, 'Host: b', 'Authorization: b', 'X-Envoy-Internal: true'].map(
    (line) =>
      served(`H1-30 trailer ${line}`, chunks(`2\r\nab\r\n0\r\n${line}\r\n\r\n`), (request) => {
        hasBody('ab')(request);
        assert.deepEqual(request.trailers, []);
        const name = line.slice(0, line.indexOf(':')).toLowerCase();
        const value = line.slice(line.indexOf(':') + 2);
        const values = valuesOf(request, name);
        if (line !== CHUNKED) assert.ok(!values.includes(value), `merged: ${values}`);
        assert.deepEqual(valuesOf(request, 'host'), ['a']);
      }),
  ),
  refused('H1-30 trailer :path', chunks('2\r\nab\r\n0\r\n:path: /admin\r\n\r\n'), CODEC),
  refused(
    'H1-31 a trailer section of more than 8 KiB',
    chunks(`0\r\nx: ${'y'.repeat(8 * 1024)}\r\n\r\n`),
    /^http1\.trailers_too_large$/,
    [431],
  ),
  refused(
    'H1-31 a trailer section of 101 lines',
    chunks(`0\r\n${'x: y\r\n'.repeat(101)}\r\n`),
    /^http1\./,
    [431],
  ),
  refused('H1-32 bare LF behind the request line', 'GET /hostile HTTP/1.1\nHost: a\r\n\r\n'),
  refused('H1-32 bare LF behind a header', 'GET /hostile HTTP/1.1\r\nHost: a\nX: y\r\n\r\n'),
  refused('H1-32 bare LF as the empty line', 'GET /hostile HTTP/1.1\r\nHost: a\r\n\n'),
  refused('H1-33 bare CR behind the request line', 'GET /hostile HTTP/1.1\rHost: a\r\n\r\n'),
  refused('H1-33 bare CR in a value', get(['X: a\rY: b'])),
  refused('H1-33 CR LF CR and no LF', 'GET /hostile HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n'),
  refused('H1-34 NUL in a value', get(['X: a\0b']), CHARACTERS),
  refused('H1-34 NUL in a name', get(['X\0y: b'])),
  ...[0x01, 0x08, 0x0b, 0x0c, 0x1b, 0x1f, 0x7f].map((code) =>
    refused(`H1-35 byte ${code} in a value`, get([`X: a${byte(code)}b`]), CHARACTERS),
  ),
  served(
    'H1-36 bytes 128 to 255 in a value',
    get([`X-Bytes: ${Array.from({ length: 128 }, (_, i) => byte(128 + i)).join('')}`]),
    (request) =>
      assert.deepEqual(valuesOf(request, 'x-bytes'), [
        Array.from({ length: 128 }, (_, i) => byte(128 + i)).join(''),
      ]),
  ),
  refused('H1-37 a folded line', get(['X: a', ' b'])),
  refused('H1-37 a line folded with a tab', get(['X: a', '\tb'])),
  refused('H1-38 a space before the colon', get(['X : a'])),
  refused(
    'H1-38 a space before the first header',
    'GET /hostile HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n',
  ),
  refused('H1-38 an empty name', get([': a'])),
  refused('H1-38 no colon', get(['X'])),
  served(
    'H1-39 a GET whose body is a request',
    'GET /hostile HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n',
    (request) => assert.equal(request.body.length, 30),
  ),
  served('H1-43 Expect: other', post(['Expect: other', 'Content-Length: 2'], 'ab'), hasBody('ab')),
  served('H1-44 two CRLFs before the request line', `\r\n\r\n${get([])}`, hasBody('')),
  refused(
    'H1-44 10,000 CRLFs before the request line',
    `${'\r\n'.repeat(10_000)}${get([])}`,
    CODEC,
  ),
  ...[100, 2_500].map((count) =>
    refused(
      `H1-46 ${count + 1} header lines, the one of a policy last`,
      get([...Array.from({ length: count - 1 }, (_, i) => `X-${i}: y`), 'X-Policy: deny']),
      /^http1\.too_many_headers$/,
      [431],
    ),
  ),
  refused(
    'H1-47 a header block of 61 KiB',
    get([`X: ${'y'.repeat(30 * 1024)}`, `Z: ${'y'.repeat(31 * 1024)}`]),
    /^http1\.headers_too_large$/,
    [431],
  ),
  served('H1-47 one header of 20 KB', get([`X: ${'y'.repeat(20_000)}`]), (request) =>
    assert.equal(valuesOf(request, 'x')[0]?.length, 20_000),
  ),
  served(
    'H1-47 a target of 9 KB',
    `GET /${'y'.repeat(9_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    (request) => assert.equal(request.target.length, 9_001),
  ),
  refused(
    'H1-47 a target of 70 KB',
    `GET /${'y'.repeat(70_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    /^http1\.headers_too_large$/,
    [431],
  ),
];

describe('suite A, one request each', () => {
  let scene: HostileScene;
  before(async () => {
    scene = await HostileScene.start({
      hcm: ['common_http_protocol_options: { headers_with_underscores_action: REJECT_REQUEST }'],
    });
  });
  after(() => scene.stop());
  for (const row of rows) test(row.name, () => judgeRow(scene, row));
});
