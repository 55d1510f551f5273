import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { labDescriptorPath } from '../test/fakes/transcoding/lab.ts';
import { readDescriptorSet } from './descriptor-set.ts';

const bytes = readFileSync(labDescriptorPath);

test('what protoc wrote is read, rules of google.api.http included', () => {
  const set = readDescriptorSet(bytes);
  assert.ok(set.ok);
  const file = set.value.find((item) => item.package === 'lab');
  assert.equal(file?.syntax, 'proto3');
  const shelf = file?.message_type?.find(({ name }) => name === 'Shelf');
  assert.deepEqual(shelf?.field?.[4], {
    name: 'inner',
    number: 5,
    label: 1,
    type: 11,
    type_name: '.lab.Inner',
    json_name: 'inner',
  });
  const all = file?.message_type?.find(({ name }) => name === 'All');
  assert.equal(all?.field?.find(({ name }) => name === 'o_int32')?.proto3_optional, true);
  assert.equal(all?.nested_type?.[0]?.options?.map_entry, true);
  const method = file?.service?.[0]?.method?.find(({ name }) => name === 'GetShelf');
  assert.deepEqual(method?.options?.http, {
    get: '/shelves/{shelf}',
    additional_bindings: [
      { get: '/v2/{inner.name=things/*}' },
      { custom: { kind: 'REPORT', path: '/shelves/{shelf}' } },
    ],
  });
  const up = file?.service?.[0]?.method?.find(({ name }) => name === 'Up');
  assert.deepEqual([up?.client_streaming, up?.server_streaming], [true, undefined]);
});

test('broken bytes are an error or a set, never a throw', () => {
  assert.equal(readDescriptorSet(Buffer.from('nonsense')).ok, false);
  assert.equal(readDescriptorSet(bytes.subarray(0, bytes.length - 1)).ok, false);
  fc.assert(
    fc.property(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }), (at, byte) => {
      const broken = Buffer.from(bytes);
      broken[at] = byte;
      readDescriptorSet(broken);
    }),
    { numRuns: 50 },
  );
});

test('messages in messages without end are refused', () => {
  // nested_type (3) of message_type (4) of file (1), each a byte longer than what it holds.
  let nested: Buffer = Buffer.alloc(0);
  for (let i = 0; i < 60; i++) nested = Buffer.concat([Buffer.from([0x1a, nested.length]), nested]);
  const wrap = (inner: Buffer, tag: number): Buffer => {
    const size = inner.length;
    return Buffer.concat([Buffer.from([tag, (size & 0x7f) | 0x80, size >> 7]), inner]);
  };
  assert.equal(readDescriptorSet(wrap(wrap(nested, 0x22), 0x0a)).ok, true);
  for (let i = 0; i < 20; i++) nested = wrap(nested, 0x1a);
  assert.equal(readDescriptorSet(wrap(wrap(nested, 0x22), 0x0a)).ok, false);
});
