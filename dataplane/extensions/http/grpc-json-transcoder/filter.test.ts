import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { byteByByte, GrpcScenario, grpcFrame, grpcPost } from '../../../../test/fakes/grpc.ts';
import { isWholeMessage, rawMessages } from '../../../../test/fakes/raw-message.ts';
import { labData, labFrame, labMessages } from '../../../../test/fakes/transcoding/lab.ts';
import { ResponseHeaders } from '../../../api/headers.ts';
import { grpcJsonTranscoder } from './filter.ts';

const GRPC = ['content-type', 'application/grpc'];
const OK = ['grpc-status', '0'];
const JSON_TYPE = 'application/json';

function scenario(fields = '', bufferLimitBytes = 1_000_000): GrpcScenario {
  return new GrpcScenario(grpcJsonTranscoder, { data: labData(fields), bufferLimitBytes });
}

/** Status, gRPC status, content-type, length and body of what the client got. */
function response(subject: GrpcScenario): string {
  const { written } = subject.connection;
  assert.ok(isWholeMessage(written), written);
  const { head, body } = rawMessages(written)[0]!;
  const header = (name: string) =>
    head.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '-';
  return [
    head[0]!.split(' ')[1],
    header('grpc-status'),
    header('content-type'),
    header('content-length'),
    body,
  ].join(' ');
}

function sent(subject: GrpcScenario, type: string): object[] {
  return labMessages(type, Buffer.from(subject.upstreamBody, 'latin1'));
}

function post(subject: GrpcScenario, path: string, pieces: readonly (string | Buffer)[]): void {
  subject.sendAll(grpcPost(JSON_TYPE, pieces, '', path));
}

const shelf = (plain: object): Buffer => labFrame('lab.Shelf', plain);
const logged = (subject: GrpcScenario): string => subject.logs[0]?.details ?? '';

describe('a request', () => {
  it('becomes a gRPC call', () => {
    const subject = scenario();
    subject.get('/shelves/5?filter=a%2Bb&inner.inner.id=7&tags=a&tags=b&color=RED');
    const headers = subject.filters.get('router')!.requestHeaders!;
    assert.deepEqual([headers.method, headers.path], ['POST', '/lab.Lab/GetShelf']);
    for (const [name, value] of [
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
      ['x-envoy-original-method', 'GET'],
      ['x-envoy-original-path', '/shelves/5?filter=a%2Bb&inner.inner.id=7&tags=a&tags=b&color=RED'],
    ] as const) {
      assert.equal(headers.get(name), value);
    }
    assert.deepEqual(sent(subject, 'lab.ShelfRequest'), [
      {
        shelf: '5',
        filter: 'a+b',
        inner: { inner: { id: '7' } },
        tags: ['a', 'b'],
        color: 'RED',
      },
    ]);
  });

  it('loses its length, which is that of another body', () => {
    const subject = scenario();
    subject.send('POST /shelves HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}');
    assert.equal(subject.filters.get('router')!.requestHeaders!.get('content-length'), null);
    assert.deepEqual(sent(subject, 'lab.ShelfRequest'), [{ body: {} }]);
  });

  it('is looked up again by its new path, unless the incoming one is to count', () => {
    const count = (fields: string): number => {
      const subject = scenario(fields);
      subject.get('/shelves/5');
      subject.router.route();
      return subject.routeMatches;
    };
    assert.equal(count(''), 2);
    assert.equal(count('match_incoming_request_route: true'), 1);
  });

  it('that means no method, or is gRPC already, passes through', () => {
    for (const [path, type] of [
      ['/nope', JSON_TYPE],
      ['/shelves?nope=1', JSON_TYPE],
      ['/echo', 'application/grpc'],
      ['/echo', 'application/grpc+proto'],
    ] as const) {
      const subject = scenario();
      subject.sendAll(grpcPost(type, ['{}'], '', path));
      subject.answer(200, [...GRPC], [grpcFrame('x')], [...OK]);
      assert.equal(subject.upstreamBody, '{}', path);
      assert.match(subject.connection.written, /content-type: application\/grpc\r\n/);
    }
  });

  it('may be refused for that', () => {
    const strict =
      'request_validation_options: {reject_unknown_method: true, reject_unknown_query_parameters: true}';
    const unknown = scenario(strict);
    unknown.get('/nope?x=1');
    assert.equal(response(unknown), '404 - text/plain 36 Could not resolve /nope to a method.');
    assert.equal(logged(unknown), 'early_grpc_json_transcode_failure{NOT_FOUND}');
    const parameter = scenario(strict);
    parameter.get('/shelves/5?nope=1');
    assert.equal(
      response(parameter),
      '400 - text/plain 59 Could not find field "nope" in the type "lab.ShelfRequest".',
    );
    assert.equal(logged(parameter), 'early_grpc_json_transcode_failure{INVALID_ARGUMENT}');
  });

  it('with wrong JSON is answered with 400, and nothing goes upstream', () => {
    const subject = scenario();
    post(subject, '/echo', ['{"fInt32":"x"}']);
    assert.equal(
      response(subject),
      '400 - text/plain 46 f_int32: invalid value "x" for type TYPE_INT32',
    );
    assert.equal(logged(subject), 'grpc_json_transcode_failure{INVALID_ARGUMENT}');
    assert.equal(subject.filters.get('router')?.requestHeaders ?? null, null);
    const early = scenario();
    early.get('/shelves/abc');
    assert.match(response(early), /^400 - .* shelf: invalid value "abc" for type TYPE_INT64$/);
    assert.equal(logged(early), 'early_grpc_json_transcode_failure{INVALID_ARGUMENT}');
  });

  it('may ignore unknown parameters, all or by name', () => {
    for (const fields of [
      'ignore_unknown_query_parameters: true',
      'ignored_query_parameters: [nope]',
    ]) {
      const subject = scenario(fields);
      subject.get('/shelves/5?nope=1&filter=x');
      assert.deepEqual(sent(subject, 'lab.ShelfRequest'), [{ shelf: '5', filter: 'x' }]);
    }
  });

  it('never passes on what is no UTF-8', () => {
    const subject = scenario();
    subject.get('/shelves/5?filter=%ff');
    assert.match(response(subject), /^400 .* Encountered non UTF-8 code points\.$/);
  });

  it('may name fields 100 deep', () => {
    const path = (count: number): string => `/shelves/5?${'inner.'.repeat(count)}id=1`;
    const fits = scenario();
    fits.get(path(99));
    assert.notEqual(fits.upstreamBody, '');
    const strict = 'request_validation_options: {reject_unknown_query_parameters: true}';
    for (const count of [100, 5000]) {
      const subject = scenario(strict);
      subject.get(path(count));
      assert.match(response(subject), /^400 /);
    }
  });

  it('is complete with its trailers', () => {
    const subject = scenario();
    subject.send(
      'POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n' +
        'c\r\n{"fInt32":1}\r\n0\r\nx: y\r\n\r\n',
    );
    assert.deepEqual(sent(subject, 'lab.All'), [{ f_int32: 1 }]);
  });

  it('may be as large as the limit and no larger, in however many pieces', () => {
    const text = (bytes: number): string => `{"fString":"${'a'.repeat(bytes - 14)}"}`;
    const limit = 'max_request_body_size: 100';
    const fits = scenario(limit);
    post(fits, '/echo', byteByByte(Buffer.from(text(100))));
    assert.equal(sent(fits, 'lab.All').length, 1);
    for (const pieces of [[text(101)], byteByByte(Buffer.from(text(101)))]) {
      const subject = scenario(limit);
      post(subject, '/echo', pieces);
      assert.match(response(subject), /^413 .* Request rejected because the transcoder's internal/);
      assert.equal(
        logged(subject),
        'grpc_json_transcode_failure{request_buffer_size_limit_reached}',
      );
      assert.equal(subject.stat('http.test.transcoder_request_buffer_bytes'), 0);
    }
    const byStream = scenario('', 100);
    post(byStream, '/echo', [text(101)]);
    assert.match(response(byStream), /^413 /);
  });

  it('counts what it keeps', () => {
    const subject = scenario();
    const [head = '', ...rest] = grpcPost(JSON_TYPE, ['{"fIn'], '', '/echo');
    subject.send(head);
    subject.send(rest[0] ?? '');
    assert.equal(subject.stat('http.test.transcoder_request_buffer_bytes'), 5);
    subject.connection.remoteClose();
    assert.equal(subject.stat('http.test.transcoder_request_buffer_bytes'), 0);
  });
});

describe('a client stream', () => {
  it('is an array whose elements go upstream as they come', () => {
    const subject = scenario();
    const [head = '', first = '', second = '', end = ''] = grpcPost(
      JSON_TYPE,
      ['[{"name":"a]}\\""},{"na', 'me":"b"} , {}]'],
      '',
      '/up',
    );
    subject.sendAll([head, first]);
    assert.deepEqual(sent(subject, 'lab.Inner'), [{ name: 'a]}"' }]);
    subject.sendAll([second, end]);
    assert.deepEqual(sent(subject, 'lab.Inner'), [{ name: 'a]}"' }, { name: 'b' }, {}]);
  });

  it('may come byte by byte', () => {
    const text = '[{"name":"a","tags":["x","]"]} ,{"id":"5"},\n{"inner":{}}]';
    const subject = scenario();
    post(subject, '/up', byteByByte(Buffer.from(text)));
    assert.deepEqual(sent(subject, 'lab.Inner'), [
      { name: 'a', tags: ['x', ']'] },
      { id: '5' },
      { inner: {} },
    ]);
  });

  it('has path and query in its first message', () => {
    const subject = scenario();
    post(subject, '/upbody/7?filter=x', ['[{"id":1},{"id":2}]']);
    assert.deepEqual(sent(subject, 'lab.ShelfRequest'), [
      { body: { id: '1' }, shelf: '7', filter: 'x' },
      { body: { id: '2' } },
    ]);
  });

  it('may have no messages, but must be an array', () => {
    const none = scenario();
    post(none, '/up', ['[]']);
    none.answer(200, [...GRPC], [shelf({ id: 1 })], [...OK]);
    assert.equal(response(none), '200 0 application/json 10 {"id":"1"}');
    for (const [text, error] of [
      ['', 'Expected an array instead of an object'],
      ['{}', 'Expected an array instead of an object'],
      ['5', 'Expected an array instead of a scalar value.'],
      ['[5]', ': Root element must be a message.'],
      ['[{}', 'Unexpected end of string. Expected , or ] after array value.\n\n^'],
      ['[{', 'Unexpected end of string. Expected , or } after key:value pair.\n\n^'],
      ['[{}]x', 'Parsing terminated before end of input.'],
      ['[{} {}]', 'Expected , or ] after array value.'],
      ['[{},]', 'Expected a value or ] within an array.'],
    ] as const) {
      const subject = scenario();
      post(subject, '/up', text === '' ? [] : [text]);
      assert.ok(response(subject).startsWith('400 '), text);
      assert.ok(response(subject).endsWith(error), `${text}: ${response(subject)}`);
    }
  });

  it('is bounded by message, not in all', () => {
    const limit = 'max_request_body_size: 100';
    const element = (bytes: number): string => `{"name":"${'a'.repeat(bytes - 11)}"}`;
    const fits = scenario(limit);
    post(fits, '/up', byteByByte(Buffer.from(`[${element(100)},${element(100)}]`)));
    assert.equal(sent(fits, 'lab.Inner').length, 2);
    for (const pieces of [[`[${element(101)}]`], byteByByte(Buffer.from(`[{},${element(101)}]`))]) {
      const subject = scenario(limit);
      post(subject, '/up', pieces);
      assert.match(subject.connection.written, /^HTTP\/1.1 413 /);
    }
  });
});

describe('a google.api.HttpBody', () => {
  it('takes a request as it is, with its type', () => {
    const subject = scenario();
    subject.sendAll(grpcPost('image/png', ['raw', ' bytes'], '', '/upload/n?inner.id=4'));
    assert.deepEqual(sent(subject, 'lab.UploadRequest'), [
      {
        name: 'n',
        inner: { id: '4' },
        body: {
          content_type: 'image/png',
          data: Buffer.from('raw bytes').toString('base64'),
        },
      },
    ]);
  });

  it('may be all of the message, or empty', () => {
    const subject = scenario();
    subject.sendAll(grpcPost('text/x', ['raw'], '', '/uploadraw?data=ignored'));
    const data = Buffer.from('raw').toString('base64');
    assert.deepEqual(sent(subject, 'google.api.HttpBody'), [{ content_type: 'text/x', data }]);
    const empty = scenario();
    empty.send('POST /upload/n HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n');
    assert.deepEqual(sent(empty, 'lab.UploadRequest'), [{ name: 'n', body: {} }]);
  });

  it('streams piece by piece, its type in the first', () => {
    const subject = scenario();
    subject.sendAll(grpcPost('text/x', ['one', 'two'], '', '/uploads/n'));
    assert.deepEqual(
      sent(subject, 'lab.UploadRequest').map((message) => JSON.stringify(message)),
      [
        `{"name":"n","body":{"content_type":"text/x","data":"${btoa('one')}"}}`,
        `{"body":{"data":"${btoa('two')}"}}`,
      ],
    );
  });

  it('gets unknown parameters where they are to be captured', () => {
    const subject = scenario('capture_unknown_query_parameters: true');
    subject.sendAll(grpcPost('text/x', ['raw'], '', '/uploadraw?nope=1&nope=2&a.b=c'));
    // As Envoy writes it, but for the order of the map.
    const captured = Buffer.from(subject.upstreamBody, 'latin1').toString('hex');
    assert.match(captured, /0a0e0a046e6f706512060a01310a0132/);
    assert.match(captured, /0a0a0a03612e6212030a0163/);
  });

  it('is the response, with its type', () => {
    const body = labFrame('google.api.HttpBody', { content_type: 'text/html', data: btoa('<p>') });
    const field = labFrame('lab.DownloadReply', {
      note: 'n',
      body: { content_type: 'text/html', data: btoa('<p>') },
    });
    for (const [path, message] of [
      ['/download/x', body],
      ['/downloadfield/x', field],
    ] as const) {
      const subject = scenario();
      subject.get(path);
      subject.answer(200, [...GRPC], byteByByte(message), [...OK]);
      assert.equal(response(subject), '200 0 text/html 3 <p>');
    }
    const failed = scenario();
    failed.get('/download/x');
    failed.answer(200, [...GRPC], [body], ['grpc-status', '5']);
    assert.equal(response(failed), '404 5 text/html 3 <p>');
  });

  it('streams the response, with the type of the first', () => {
    const part = (type: string, text: string): Buffer =>
      labFrame('google.api.HttpBody', { content_type: type, data: btoa(text) });
    const subject = scenario();
    subject.get('/downloads/x');
    subject.answer(200, [...GRPC], [part('text/html', '<p>'), part('a', '<q>')], [...OK]);
    assert.equal(response(subject), '200 - text/html - <p><q>');
    const broken = scenario();
    broken.get('/download/x');
    broken.answer(200, [...GRPC], [grpcFrame('\x0a')], [...OK]);
    assert.equal(response(broken), '502 - text/plain 14 unexpected EOF');
  });
});

describe('a response', () => {
  it('waits for its trailers, whose status is its status', () => {
    for (const pieces of [
      [shelf({ id: 1, theme: 't' })],
      byteByByte(shelf({ id: 1, theme: 't' })),
    ]) {
      const subject = scenario();
      subject.get('/shelves/1');
      const { router } = subject;
      router.encodeHeaders(new ResponseHeaders(200, [...GRPC, 'trailer', 'x']), false, 'v');
      for (const piece of pieces) router.encodeData(piece, false);
      assert.equal(subject.connection.written, '');
      router.encodeTrailers(['grpc-status', '5', 'grpc-message', 'no%20such']);
      assert.equal(response(subject), '404 5 application/json 22 {"id":"1","theme":"t"}');
      assert.match(subject.connection.written, /\r\ngrpc-message: no%20such\r\n/);
      assert.doesNotMatch(subject.connection.written, /\r\ntrailer:/);
    }
  });

  it('has the HTTP status of its grpc-status, and 503 without one', () => {
    const expected = [
      200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
    ];
    const statusOf = (grpcStatus: string): string => {
      const subject = scenario();
      subject.get('/shelves/1');
      subject.answer(200, [...GRPC], [], ['grpc-status', grpcStatus]);
      return response(subject).slice(0, 3);
    };
    for (const [grpcStatus, status] of expected.entries()) {
      assert.equal(statusOf(String(grpcStatus)), String(status));
    }
    assert.equal(statusOf('99'), '500');
    assert.equal(statusOf('x'), '503');
  });

  it('of trailers only keeps its headers, as in Envoy', () => {
    const subject = scenario();
    subject.get('/shelves/1');
    subject.answer(200, [...GRPC, 'grpc-status', '5', 'grpc-message', 'm'], [], null);
    assert.equal(response(subject), '404 5 application/grpc 0 ');
  });

  it('without trailers ends with its body', () => {
    const subject = scenario();
    subject.get('/shelves/1');
    subject.answer(200, [...GRPC], [shelf({ id: 1 })], null);
    assert.equal(response(subject), '200 - application/json - {"id":"1"}');
  });

  it('that is no gRPC passes through', () => {
    for (const [status, type] of [
      [200, 'text/plain'],
      [500, 'application/grpc'],
    ] as const) {
      const subject = scenario();
      subject.get('/shelves/1');
      subject.answer(status, ['content-type', type], [Buffer.from('hello')], null);
      assert.equal(response(subject), `${status} - ${type} - hello`);
    }
  });

  it('of our own is text, not gRPC', () => {
    const subject = scenario();
    subject.get('/shelves/1');
    subject.router.sendLocalReply(503, 'no host', null, 'no_healthy_upstream');
    assert.equal(response(subject), '503 - text/plain 7 no host');
  });

  it('that is broken is answered with 502', () => {
    for (const [body, error, code] of [
      [grpcFrame('\x08'), 'unexpected EOF', 'INVALID_ARGUMENT'],
      [grpcFrame('\x12\x01\xff'), 'proto3 strings must be UTF-8', 'INVALID_ARGUMENT'],
      [grpcFrame('', 1), 'Unsupported gRPC frame flag: 1', 'INTERNAL'],
      [
        grpcFrame('abc').subarray(0, 6),
        'Incomplete gRPC frame expected size: 3 actual size: 1',
        'INTERNAL',
      ],
      [grpcFrame('').subarray(0, 3), 'Incomplete gRPC frame header received', 'INTERNAL'],
    ] as const) {
      const subject = scenario();
      subject.get('/shelves/1');
      subject.answer(200, [...GRPC], [body], [...OK]);
      assert.equal(response(subject), `502 - text/plain ${error.length} ${error}`);
      assert.equal(logged(subject), `grpc_json_transcode_failure{${code}}`);
    }
  });

  it('may be as large as the limit and no larger', () => {
    // Five bytes of header, two of tag and length.
    const theme = (bytes: number): Buffer => shelf({ theme: 'a'.repeat(bytes - 7) });
    const limit = 'max_response_body_size: 100';
    const fits = scenario(limit);
    fits.get('/shelves/1');
    fits.answer(200, [...GRPC], byteByByte(theme(100)), [...OK]);
    assert.match(response(fits), /^200 0 /);
    for (const [fields, streamLimit] of [
      [limit, 1_000_000],
      ['', 100],
    ] as const) {
      for (const path of ['/shelves/1', '/download/1']) {
        for (const pieces of [[theme(101)], byteByByte(theme(101))]) {
          const subject = scenario(fields, streamLimit);
          subject.get(path);
          subject.answer(200, [...GRPC], pieces, [...OK]);
          assert.match(response(subject), /^500 .* Response not transcoded because/);
          assert.equal(
            logged(subject),
            'grpc_json_transcode_failure{response_buffer_size_limit_reached}',
          );
          assert.equal(subject.stat('http.test.transcoder_response_buffer_bytes'), 0);
        }
      }
    }
  });
});

describe('a server stream', () => {
  const two = [shelf({ id: 1 }), shelf({ id: 2 })];

  function stream(fields: string, pieces: readonly Buffer[], trailers: string[] = OK): string {
    const subject = scenario(fields);
    subject.get('/down/x');
    subject.answer(200, [...GRPC], pieces, [...trailers]);
    return response(subject);
  }

  it('is an array, lines or events, written as its messages come', () => {
    for (const pieces of [two, [Buffer.concat(two)], byteByByte(Buffer.concat(two))]) {
      assert.equal(stream('', pieces), '200 - application/json - [{"id":"1"},{"id":"2"}]');
      assert.equal(
        stream('print_options: {stream_newline_delimited: true}', pieces),
        '200 - application/json - {"id":"1"}\n{"id":"2"}\n',
      );
      assert.equal(
        stream('print_options: {stream_sse_style_delimited: true}', pieces),
        '200 - text/event-stream - data: {"id":"1"}\n\ndata: {"id":"2"}\n\n',
      );
    }
    const subject = scenario();
    subject.get('/down/x');
    subject.router.encodeHeaders(new ResponseHeaders(200, [...GRPC]), false, 'v');
    subject.router.encodeData(two[0]!, false);
    assert.match(subject.connection.written, /\[\{"id":"1"\}\r\n$/);
  });

  it('may be empty', () => {
    assert.equal(stream('', []), '200 - application/json - []');
    assert.equal(
      stream('print_options: {stream_newline_delimited: true}', []),
      '200 - application/json - ',
    );
  });

  it('cannot change its status once it has begun', () => {
    assert.equal(
      stream('', two, ['grpc-status', '5']),
      '200 - application/json - [{"id":"1"},{"id":"2"}]',
    );
    const subject = scenario();
    subject.get('/down/x');
    subject.answer(200, [...GRPC, 'grpc-status', '5'], [], null);
    assert.equal(response(subject), '404 5 application/json - []');
  });

  it('that breaks is cut off', () => {
    for (const bad of [
      grpcFrame('\x08'),
      grpcFrame('', 1),
      shelf({ theme: 'abc' }).subarray(0, 8),
    ]) {
      const subject = scenario();
      subject.get('/down/x');
      subject.answer(200, [...GRPC], [two[0]!, bad], [...OK]);
      assert.equal(isWholeMessage(subject.connection.written), false);
      assert.notEqual(subject.connection.closedBy, null);
    }
  });

  it('runs beside a client stream', () => {
    const subject = scenario();
    const [head = '', first = '', second = '', end = ''] = grpcPost(
      JSON_TYPE,
      ['[{"id":1}', ',{"id":2}]'],
      '',
      '/bidi',
    );
    subject.sendAll([head, first]);
    const { router } = subject;
    router.encodeHeaders(new ResponseHeaders(200, [...GRPC]), false, 'v');
    router.encodeData(labFrame('lab.Inner', { name: 'x' }), false);
    subject.sendAll([second, end]);
    router.encodeTrailers([...OK]);
    assert.equal(sent(subject, 'lab.Inner').length, 2);
    assert.equal(response(subject), '200 - application/json - [{"name":"x"}]');
  });
});

describe('convert_grpc_status', () => {
  const details = Buffer.concat([
    Buffer.from('08051203', 'hex'),
    Buffer.from('mé'),
    Buffer.from('1a24', 'hex'),
    Buffer.from('0a1d', 'hex'),
    Buffer.from('type.googleapis.com/lab.Inner'),
    Buffer.from('12030a0164', 'hex'),
  ]).toString('base64');
  const json = Buffer.from(
    '{"code":5,"message":"mé","details":[{"@type":"type.googleapis.com/lab.Inner","name":"d"}]}',
  ).toString('latin1');

  function failed(
    trailers: string[],
    isTrailersOnly: boolean,
    body: readonly Buffer[] = [],
  ): string {
    const subject = scenario('convert_grpc_status: true');
    subject.get('/shelves/1');
    if (isTrailersOnly) subject.answer(200, [...GRPC, ...trailers], [], null);
    else subject.answer(200, [...GRPC], body, trailers);
    return response(subject);
  }

  it('writes the status of a failed call as JSON', () => {
    for (const isTrailersOnly of [true, false]) {
      assert.equal(
        failed(['grpc-status', '5', 'grpc-message', 'no%20such'], isTrailersOnly),
        '404 - application/json 30 {"code":5,"message":"no such"}',
      );
      for (const bin of [details, details.replace(/=+$/, '')]) {
        assert.equal(
          failed(['grpc-status', '5', 'grpc-status-details-bin', bin], isTrailersOnly),
          `404 - application/json 91 ${json}`,
        );
      }
    }
  });

  it('leaves calls alone that went well or had a body', () => {
    assert.equal(failed([...OK], false), '200 0 application/json 0 ');
    assert.equal(
      failed(['grpc-status', '5'], false, [shelf({ id: 1 })]),
      '404 5 application/json 10 {"id":"1"}',
    );
  });

  it('leaves details of unknown types to the headers', () => {
    const unknown = Buffer.from('1a1a0a18', 'hex').toString('latin1');
    const bin = Buffer.from(`${unknown}type.googleapis.com/no.N`, 'latin1').toString('base64');
    assert.equal(
      failed(['grpc-status', '5', 'grpc-status-details-bin', bin], true),
      '404 5 application/grpc 0 ',
    );
  });
});

describe('print options', () => {
  function printed(options: string, plain: object): string {
    const subject = scenario(`print_options: {${options}}`);
    post(subject, '/echo', ['{}']);
    subject.answer(200, [...GRPC], [labFrame('lab.All', plain)], [...OK]);
    return rawMessages(subject.connection.written)[0]!.body;
  }

  it('add white space, defaults, numbers and proto names', () => {
    assert.equal(
      printed('add_whitespace: true', {
        f_int32: 1,
        r_int32: [1, 2],
        r_message: [{}],
        m_string: { a: 'b' },
      }),
      '{\n "fInt32": 1,\n "rInt32": [\n  1,\n  2\n ],\n "rMessage": [\n  {}\n ],\n "mString": {\n  "a": "b"\n }\n}\n',
    );
    assert.equal(
      printed('always_print_enums_as_ints: true, preserve_proto_field_names: true', {
        f_enum: 1,
        renamed: 'x',
      }),
      '{"f_enum":1,"renamed":"x"}',
    );
    const defaults = JSON.parse(
      printed('always_print_primitive_fields: true', { f_int32: 7 }),
    ) as object;
    assert.deepEqual(
      { ...defaults, rest: Object.keys(defaults).length },
      {
        ...{ fDouble: 0, fFloat: 0, fInt32: 7, fInt64: '0', fUint32: 0, fUint64: '0', fSint32: 0 },
        ...{ fSint64: '0', fFixed32: 0, fFixed64: '0', fSfixed32: 0, fSfixed64: '0', fBool: false },
        ...{ fString: '', fBytes: '', fEnum: 'COLOR_UNSPECIFIED', rInt32: [], rString: [] },
        ...{ rMessage: [], rEnum: [], rInt64: [], mString: {}, mMessage: {}, mEnum: {} },
        ...{ otherName: '', rwAny: [], rwValue: [], rest: 27 },
      },
    );
  });
});

test('a route may have a transcoder of its own, or none', () => {
  const route = (data: unknown) => ({
    perFilterConfig: () => grpcJsonTranscoder.createRouteConfig!(data),
  });
  const off = new GrpcScenario(grpcJsonTranscoder, {
    data: labData(),
    route: route({ ...labData(), isDisabled: true }),
  });
  off.get('/shelves/5');
  assert.equal(off.filters.get('router')!.requestHeaders!.path, '/shelves/5');
  const on = new GrpcScenario(grpcJsonTranscoder, {
    data: { ...labData(), isDisabled: true },
    route: route(labData()),
  });
  on.get('/shelves/5');
  assert.equal(on.filters.get('router')!.requestHeaders!.path, '/lab.Lab/GetShelf');
});

test('messages are 100 deep and no deeper', () => {
  // f_message (17) around so many inner (3).
  const nested = (count: number): Buffer => {
    let message: Buffer = Buffer.alloc(0);
    for (let i = 0; i <= count; i++) {
      const size = message.length;
      const length = size < 128 ? [size] : [(size & 0x7f) | 0x80, size >> 7];
      const tag = i === count ? [0x8a, 0x01] : [0x1a];
      message = Buffer.concat([Buffer.from([...tag, ...length]), message]);
    }
    return message;
  };
  const answer = (count: number): string => {
    const subject = scenario();
    post(subject, '/echo', ['{}']);
    subject.answer(200, [...GRPC], [grpcFrame(nested(count).toString('latin1'))], [...OK]);
    return response(subject);
  };
  assert.match(answer(99), /^200 /);
  assert.equal(answer(100), '502 - text/plain 22 allowed depth exceeded');
});

test('messages out of order are put in order, 16 in each other and no more', () => {
  // id (2) before inner (3) before name (1).
  const nested = (count: number): string => {
    let message = '';
    for (let i = 0; i < count; i++) {
      const size = String.fromCharCode(message.length);
      message = `\x10\x05\x1a${size}${message}\x0a\x01x`;
    }
    return `\x8a\x01${String.fromCharCode(message.length)}${message}`;
  };
  const answer = (count: number): string => {
    const subject = scenario();
    post(subject, '/echo', ['{}']);
    subject.answer(200, [...GRPC], [grpcFrame(nested(count))], [...OK]);
    return response(subject);
  };
  const inner = '{"name":"x","id":"5","inner":{}}';
  assert.equal(answer(1), `200 0 application/json ${13 + inner.length} {"fMessage":${inner}}`);
  assert.match(answer(16), /^200 /);
  assert.equal(answer(17), '502 - text/plain 22 allowed depth exceeded');
});
