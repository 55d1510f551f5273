import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpFilterData } from '../../../../test/fakes/config.ts';
import { byteByByte, GrpcScenario, grpcFrame, grpcPost } from '../../../../test/fakes/grpc.ts';
import { isWholeMessage, rawMessages } from '../../../../test/fakes/raw-message.ts';
import { grpcWeb, MAX_MESSAGE_BYTES } from './filter.ts';

const GRPC = ['content-type', 'application/grpc'];
const TEXT = 'application/grpc-web-text';
const ACCEPT_TEXT = `accept: ${TEXT}\r\n`;
const OK = ['grpc-status', '0'];

const scenario = () => new GrpcScenario(grpcWeb);

interface Seen {
  readonly status: string;
  readonly body: string;
  header(name: string): string | null;
}

/** The whole response that the client got. */
function response(subject: GrpcScenario): Seen {
  const { written } = subject.connection;
  assert.ok(isWholeMessage(written), written);
  const { head, body, trailers } = rawMessages(written)[0]!;
  assert.deepEqual(trailers, []);
  return {
    status: head[0]!.split(' ')[1]!,
    body,
    header: (name) =>
      head.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null,
  };
}

const trailersFrame = (text: string): string => grpcFrame(text, 0x80).toString('latin1');

test('the config has no fields', () => {
  assert.equal(httpFilterData('envoy.extensions.filters.http.grpc_web.v3.GrpcWeb', ''), null);
});

test('a binary call becomes gRPC, and its trailers a frame', () => {
  const subject = scenario();
  subject
    .sendAll(grpcPost('application/grpc-web', [grpcFrame('hi')]))
    .answer(200, [...GRPC], [grpcFrame('ok')], [...OK, 'x-bin', 'AA=', 'x-bin', 'BB=']);
  const { fields } = subject.upstreamRequest;
  assert.equal(subject.upstreamRequest.get('content-type'), 'application/grpc');
  assert.equal(subject.upstreamRequest.get('te'), 'trailers');
  assert.equal(subject.upstreamRequest.get('grpc-accept-encoding'), 'identity');
  assert.equal(fields.includes('content-length'), false);
  assert.equal(subject.upstreamBody, grpcFrame('hi').toString('latin1'));
  const { header, body } = response(subject);
  assert.equal(header('content-type'), 'application/grpc-web+proto');
  const frame = trailersFrame('grpc-status:0\r\nx-bin:AA=\r\nx-bin:BB=\r\n');
  assert.equal(body, grpcFrame('ok').toString('latin1') + frame);
});

test('text goes both ways byte by byte', () => {
  const subject = scenario();
  const request = Buffer.concat([grpcFrame('hello'), grpcFrame('')]).toString('base64');
  const answer = Buffer.concat([grpcFrame('a'), grpcFrame('bcd')]);
  subject
    .sendAll(grpcPost(`${TEXT}+proto`, [...request], ACCEPT_TEXT))
    .answer(200, [...GRPC], byteByByte(answer), [...OK]);
  assert.equal(subject.upstreamBody, Buffer.from(request, 'base64').toString('latin1'));
  const { header, body } = response(subject);
  assert.equal(header('content-type'), `${TEXT}+proto`);
  const parts = [grpcFrame('a'), grpcFrame('bcd'), grpcFrame('grpc-status:0\r\n', 0x80)];
  assert.equal(body, parts.map((part) => part.toString('base64')).join(''));
});

test('the response is text only for a client that accepts just that', () => {
  for (const accept of ['', 'accept: */*\r\n', `accept: ${TEXT}, */*\r\n`]) {
    const subject = scenario();
    subject.sendAll(grpcPost(TEXT, ['AAAAAAA='], accept)).answer(200, [...GRPC], [], [...OK]);
    assert.equal(response(subject).header('content-type'), 'application/grpc-web+proto');
  }
});

test('other types are left alone', () => {
  for (const type of ['application/grpc', 'application/grpc-web+json', `${TEXT}x`, 'text/plain']) {
    const subject = scenario();
    subject.sendAll(grpcPost(type, ['x'])).answer(200, [...GRPC], [grpcFrame('a')], null);
    assert.equal(subject.upstreamRequest.get('content-type'), type);
    assert.equal(response(subject).header('content-type'), 'application/grpc');
  }
});

test('bad base64 is refused with a grpc-status, before the upstream has all of it', () => {
  const table = [
    [['!!!!'], 'grpc_base_64_decode_failed'],
    [['AAAA', 'A'], 'grpc_base_64_decode_failed_bad_size'],
  ] as const;
  for (const [pieces, details] of table) {
    const subject = scenario();
    subject.sendAll(grpcPost(TEXT, pieces));
    const { status, header, body } = response(subject);
    assert.deepEqual([status, header('grpc-status'), body], ['400', '13', '']);
    assert.equal(header('grpc-message'), 'Bad gRPC-web request, invalid base64 data.');
    assert.equal(subject.logs[0]?.details, details);
  }
});

test('trailers of the client behind half a group are refused, too', () => {
  const subject = scenario();
  const parts = grpcPost(TEXT, ['AAAAA']);
  subject.sendAll([...parts.slice(0, -1), '0\r\nx-t: 1\r\n\r\n']);
  assert.equal(subject.logs[0]?.details, 'grpc_base_64_decode_failed_bad_size');
});

test('trailers-only responses keep their head', () => {
  const subject = scenario();
  subject
    .sendAll(grpcPost('application/grpc-web', []))
    .answer(200, [...GRPC, 'grpc-status', '14'], [], null);
  const { status, header, body } = response(subject);
  assert.deepEqual([status, header('grpc-status'), body], ['200', '14', '']);
  assert.equal(header('content-type'), 'application/grpc-web+proto');
});

test('a response without trailers ends, as text with its last bytes', () => {
  const subject = scenario();
  const [first, ...rest] = byteByByte(grpcFrame('ab').subarray(0, 6));
  subject.sendAll(grpcPost(TEXT, [], ACCEPT_TEXT)).answer(200, [...GRPC], [first!, ...rest], null);
  assert.equal(response(subject).body, grpcFrame('ab').subarray(0, 6).toString('base64'));
});

test('an answer in plain HTTP becomes status and message, with or without trailers', () => {
  for (const trailers of [null, ['x-t', '1']]) {
    const subject = scenario();
    const body = [Buffer.from('no '), Buffer.from('way %\n')];
    subject.sendAll(grpcPost('application/grpc-web', [])).answer(503, [], body, trailers);
    const { status, header, body: sent } = response(subject);
    assert.deepEqual([status, header('grpc-status'), sent], ['503', '14', '']);
    assert.equal(header('grpc-message'), 'no way %25%0A');
    assert.equal(header('content-length'), '0');
  }
});

test('of a long answer the first 16 KiB are the message, and no more is kept', () => {
  for (const [bytes, kept] of [
    [MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES],
    [MAX_MESSAGE_BYTES + 1, MAX_MESSAGE_BYTES],
  ] as const) {
    const subject = scenario();
    const body = Buffer.alloc(bytes, 'x');
    subject
      .sendAll(grpcPost('application/grpc-web', []))
      .answer(500, [], [body.subarray(0, 7), body.subarray(7), Buffer.from('')], null);
    assert.equal(response(subject).header('grpc-message')?.length, kept);
  }
});

test('a local reply is told in the same way', () => {
  const subject = scenario();
  subject.sendAll(grpcPost('application/grpc-web', []));
  subject.router.sendLocalReply(403, 'not you', null, 'x');
  const { status, header } = response(subject);
  assert.deepEqual(
    [status, header('grpc-status'), header('grpc-message')],
    ['403', '7', 'not you'],
  );
});

test('calls are counted by method below grpc-web', () => {
  const subject = scenario();
  subject
    .sendAll(grpcPost('application/grpc-web', []))
    .answer(200, [...GRPC], [], ['grpc-status', '5']);
  assert.deepEqual(subject.grpcCounters(), {
    'grpc-web.a.Svc.Meth.5': 1,
    'grpc-web.a.Svc.Meth.failure': 1,
    'grpc-web.a.Svc.Meth.total': 1,
  });
});

test('a preflight request passes', () => {
  const subject = scenario();
  subject.send('OPTIONS /a.Svc/Meth HTTP/1.1\r\nHost: h\r\norigin: http://a\r\n\r\n');
  assert.deepEqual(subject.journal, ['router.decodeHeaders end']);
});
