import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinedInRequests, joinedInResponses, joinRepeated } from './joined-names.ts';

function joined(fields: string[], names = joinedInRequests): string[] {
  joinRepeated(fields, names);
  return fields;
}

test('joins repeated lists at the place of the first line', () => {
  assert.deepEqual(joined(['accept', 'a', 'x', '1', 'accept', 'b', 'y', '2', 'accept', 'c']), [
    'accept',
    'a,b,c',
    'x',
    '1',
    'y',
    '2',
  ]);
});

test('empty values add no comma', () => {
  assert.deepEqual(joined(['accept', '', 'accept', 'b', 'accept', '', 'accept', 'd']), [
    'accept',
    'b,d',
  ]);
  assert.deepEqual(joined(['accept', '', 'accept', '']), ['accept', '']);
});

test('leaves alone what Envoy leaves alone', () => {
  for (const name of ['cookie', 'set-cookie', 'x-custom', 'forwarded', 'accept-language']) {
    assert.deepEqual(joined([name, 'a', name, 'b']), [name, 'a', name, 'b']);
    assert.deepEqual(joined([name, 'a', name, 'b'], joinedInResponses), [name, 'a', name, 'b']);
  }
});

test('requests and responses have lists of their own', () => {
  assert.deepEqual(joined(['vary', 'a', 'vary', 'b']), ['vary', 'a', 'vary', 'b']);
  assert.deepEqual(joined(['vary', 'a', 'vary', 'b'], joinedInResponses), ['vary', 'a,b']);
});
