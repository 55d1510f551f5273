import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpFilterData } from '../../../../test/fakes/config.ts';
import { byteByByte, GrpcScenario, grpcFrame, grpcPost } from '../../../../test/fakes/grpc.ts';
import { isWholeMessage, rawMessages } from '../../../../test/fakes/raw-message.ts';
import { ResponseHeaders } from '../../../api/headers.ts';
import type { GrpcHttp1BridgeData } from './data.ts';
import { grpcHttp1Bridge } from './filter.ts';

const GRPC = ['content-type', 'application/grpc'];
const PROTOBUF = 'application/x-protobuf';
const OK = ['grpc-status', '0'];
const UPGRADE = { upgradeProtobufToGrpc: true };

function scenario(given: Partial<GrpcHttp1BridgeData> = {}, bufferLimitBytes = 1024): GrpcScenario {
  const data = { upgradeProtobufToGrpc: false, ignoreQueryParameters: false, ...given };
  return new GrpcScenario(grpcHttp1Bridge, { data, bufferLimitBytes });
}

function response(subject: GrpcScenario) {
  const { written } = subject.connection;
  assert.ok(isWholeMessage(written), written);
  const { head, body } = rawMessages(written)[0]!;
  const header = (name: string) =>
    head.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null;
  const summary = [head[0]!.split(' ')[1], header('grpc-status'), header('content-length'), body];
  return { summary: summary.join(' '), header };
}

const ascii = (frame: Buffer): string => frame.toString('latin1');

test('the config keeps both options', () => {
  assert.deepEqual(
    httpFilterData(
      'envoy.extensions.filters.http.grpc_http1_bridge.v3.Config',
      'upgrade_protobuf_to_grpc: true, ignore_query_parameters: true',
    ),
    { upgradeProtobufToGrpc: true, ignoreQueryParameters: true },
  );
});

test('the response waits for its trailers, whose status stands in its head', () => {
  const subject = scenario();
  const body = grpcFrame('ok');
  subject.sendAll(grpcPost('application/grpc', [grpcFrame('hi')]));
  subject.answer(200, [...GRPC], byteByByte(body), [...OK, 'grpc-message', 'fine']);
  const { summary, header } = response(subject);
  assert.equal(summary, `200 0 ${body.length} ${ascii(body)}`);
  assert.equal(header('grpc-message'), 'fine');
});

test('nothing is sent before the trailers', () => {
  const subject = scenario();
  subject.sendAll(grpcPost('application/grpc+proto', []));
  const { router } = subject;
  router.encodeHeaders(new ResponseHeaders(200, [...GRPC]), false, 'via_upstream');
  router.encodeData(grpcFrame('ok'), false);
  assert.equal(subject.connection.written, '');
  router.encodeTrailers(['x', 'y']);
  assert.equal(response(subject).summary, `200  7 ${ascii(grpcFrame('ok'))}`);
});

test('a call that failed, or says nothing sensible, is a 503', () => {
  for (const status of ['5', '14', 'abc', '99']) {
    const subject = scenario();
    subject.sendAll(grpcPost('application/grpc', []));
    subject.answer(200, [...GRPC], [], ['grpc-status', status]);
    assert.equal(response(subject).summary, `503 ${status} 0 `);
  }
});

test('a response that ends without trailers goes on as it is', () => {
  const subject = scenario();
  subject.sendAll(grpcPost('application/grpc', []));
  subject.answer(503, ['content-length', '5'], [Buffer.from('oh'), Buffer.from(' no')], null);
  assert.equal(response(subject).summary, '503  5 oh no');
});

test('a trailers-only response stays a 200, as in Envoy', () => {
  const subject = scenario();
  subject.sendAll(grpcPost('application/grpc', []));
  subject.answer(200, [...GRPC, 'grpc-status', '14'], [], null);
  assert.equal(response(subject).summary, '200 14 0 ');
});

test('what is not gRPC is left alone, also protobuf if it is not to be upgraded', () => {
  for (const type of [PROTOBUF, 'text/plain', 'application/grpc-web']) {
    const subject = scenario({ ignoreQueryParameters: true });
    subject.sendAll(grpcPost(type, ['x'], '', '/a?b'));
    subject.answer(200, [...GRPC], [Buffer.from('y')], [...OK]);
    assert.equal(subject.upstreamRequest.path, '/a?b');
    assert.doesNotMatch(subject.connection.written, /content-length/);
  }
});

test('the query of a bridged request may be dropped', () => {
  const subject = scenario({ ignoreQueryParameters: true });
  subject.sendAll(grpcPost('application/grpc', [], '', '/a.Svc/Meth?x=1?y'));
  assert.equal(subject.upstreamRequest.path, '/a.Svc/Meth');
});

test('protobuf is packed byte by byte, and the answer unpacked', () => {
  const subject = scenario(UPGRADE);
  subject.sendAll(grpcPost(PROTOBUF, [...'message']));
  assert.equal(subject.upstreamRequest.get('content-type'), 'application/grpc');
  subject.router.route();
  assert.equal(subject.routeMatches, 2, 'the route is chosen again');
  assert.equal(subject.upstreamBody, ascii(grpcFrame('message')));
  subject.answer(200, [...GRPC], byteByByte(grpcFrame('answer')), [...OK]);
  assert.equal(response(subject).summary, '200 0 6 answer');
});

test('protobuf in one piece with a length is packed', () => {
  const subject = scenario(UPGRADE);
  subject.send(
    `POST /a HTTP/1.1\r\nHost: h\r\ncontent-type: ${PROTOBUF}\r\ncontent-length: 2\r\n\r\nhi`,
  );
  assert.equal(subject.upstreamRequest.get('content-length'), null);
  assert.equal(subject.upstreamBody, ascii(grpcFrame('hi')));
});

test('an empty body is an empty message', () => {
  const parts = grpcPost(PROTOBUF, []);
  for (const sent of [
    parts,
    [`POST /a HTTP/1.1\r\nHost: h\r\ncontent-type: ${PROTOBUF}\r\ncontent-length: 0\r\n\r\n`],
    [...parts.slice(0, -1), '0\r\nx-t: 1\r\n\r\n'],
  ]) {
    const subject = scenario(UPGRADE);
    subject.sendAll(sent);
    assert.equal(subject.upstreamBody, ascii(grpcFrame('')));
  }
});

test('a body that trailers follow is packed', () => {
  const subject = scenario(UPGRADE);
  const parts = grpcPost(PROTOBUF, ['ab', 'c']);
  subject.sendAll([...parts.slice(0, -1), '0\r\nx-t: 1\r\n\r\n']);
  assert.equal(subject.upstreamBody, ascii(grpcFrame('abc')));
  assert.equal(subject.journal.at(-1), 'router.decodeTrailers x-t:1');
});

test('of an answer in plain HTTP nothing is taken off', () => {
  for (const [status, fields] of [
    [503, [...GRPC]],
    [200, ['content-type', 'text/plain']],
  ] as const) {
    const subject = scenario(UPGRADE);
    subject.sendAll(grpcPost(PROTOBUF, ['x']));
    subject.answer(status, [...fields, 'content-length', '8'], [Buffer.from('oh no 12')], null);
    assert.equal(response(subject).summary, `${status}  8 oh no 12`);
  }
});

test('an unpacked response without trailers has the length of what is sent', () => {
  const subject = scenario(UPGRADE);
  subject.sendAll(grpcPost(PROTOBUF, ['x']));
  subject.answer(200, [...GRPC, 'content-length', '7'], [grpcFrame('ok')], null);
  assert.match(response(subject).summary, / ok$/);
  assert.doesNotMatch(subject.connection.written, /content-length: 7/);
});

test('a response is held up to the buffer limit and refused one byte past it', () => {
  const limit = 100;
  for (const [message, details] of [
    [limit - 5, 'via_upstream'],
    [limit - 4, 'response_payload_too_large'],
  ] as const) {
    const subject = scenario({}, limit);
    subject.sendAll(grpcPost('application/grpc', []));
    const frame = grpcFrame('x'.repeat(message));
    subject.answer(200, [...GRPC], [frame.subarray(0, 50), frame.subarray(50)], [...OK]);
    assert.equal(subject.logs[0]?.details, details);
  }
});

test('a request is held up to the buffer limit and refused one byte past it', () => {
  const limit = 100;
  for (const [message, details] of [
    [limit - 5, undefined],
    [limit - 4, 'request_payload_too_large'],
  ] as const) {
    const subject = scenario(UPGRADE, limit);
    subject.sendAll(grpcPost(PROTOBUF, ['x'.repeat(50), 'x'.repeat(message - 50)]));
    assert.equal(subject.logs[0]?.details, details);
  }
});
