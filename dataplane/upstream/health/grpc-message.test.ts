import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeRequest, MAX_RESPONSE_BYTES, ResponseReader } from './grpc-message.ts';

test('requests are those that Envoy sends', () => {
  assert.equal(encodeRequest('').toString('hex'), '0000000000');
  assert.equal(encodeRequest('abc').toString('hex'), '00000000050a03616263');
  const long = encodeRequest('s'.repeat(300));
  assert.equal(long.subarray(0, 8).toString('hex'), '000000012f0aac02');
});

function read(hex: string): { error: string; isServing: boolean } {
  const reader = new ResponseReader();
  const error = reader.add(Buffer.from(hex, 'hex'));
  return { error, isServing: reader.isServing() };
}

const table: readonly (readonly [string, string, boolean])[] = [
  ['SERVING', '00000000020801', true],
  ['NOT_SERVING', '00000000020802', false],
  ['no status, which is UNKNOWN', '0000000000', false],
  ['the last of two statuses counts', '000000000408020801', true],
  ['a status beyond 32 bits', '000000000608818080801000'.slice(0, 22), false],
  ['cut off in a field', '000000000108', false],
  ['cut off in its frame', '000000000208', false],
  ['a group', '00000000030b0801', false],
];

for (const [name, hex, isServing] of table) {
  test(`response: ${name}`, () => {
    assert.deepEqual(read(hex), { error: '', isServing });
  });
}

test('unknown fields of every kind stand before a status', () => {
  const fields = '1001' + '1a0161' + '210000000000000000' + '2500000000' + '0801';
  const length = (fields.length / 2).toString(16).padStart(8, '0');
  assert.deepEqual(read(`00${length}${fields}`), { error: '', isServing: true });
});

test('what cannot be a response is refused', () => {
  assert.equal(read('0100000002').error, 'invalid grpc.health.v1 RPC payload');
  assert.equal(read('0200000002').error, 'gRPC wire protocol decode error');
  assert.equal(read('0000000002080100').error, 'unexpected streaming');
  const limit = (length: number) => read(`00${length.toString(16).padStart(8, '0')}`).error;
  assert.equal(limit(MAX_RESPONSE_BYTES), '');
  assert.equal(limit(MAX_RESPONSE_BYTES + 1), 'gRPC wire protocol decode error');
});

test('a response may come byte by byte', () => {
  const reader = new ResponseReader();
  for (const byte of Buffer.from('00000000020801', 'hex')) {
    assert.equal(reader.isServing(), false);
    assert.equal(reader.add(Buffer.of(byte)), '');
  }
  assert.equal(reader.isServing(), true);
});
