import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeStreamInfo } from '../../test/fakes/stream-info.ts';
import type { LogContext } from '../api/access-log.ts';
import type { FilterStateObject } from '../api/stream-info.ts';
import { filterState } from './filter-state-operator.ts';

const streamInfo = new FakeStreamInfo();
streamInfo.filterState = new Map<string, string | FilterStateObject>([
  ['envoy.tcp_proxy.cluster', 'orders'],
  [
    'counts',
    {
      plain: () => '1,2',
      fields: () => ({ request_message_count: '1', response_message_count: '2' }),
    },
  ],
]);
const context: LogContext = {
  requestHeaders: null,
  responseHeaders: null,
  responseTrailers: null,
  streamInfo,
  localReplyBody: '',
};

/** As text and as JSON. */
function forms(argument: string, maxLength: number | null = null): unknown {
  const operator = filterState(argument, maxLength);
  if (typeof operator === 'string') return operator;
  return [operator.text(context), operator.json(context)];
}

// Checked against Envoy 1.40.
const typedText = '{"requestMessageCount":"1","responseMessageCount":"2"}';
const typedJson = '{"request_message_count":"1","response_message_count":"2"}';

test('an object is JSON, or short', () => {
  assert.deepEqual(forms('counts'), [typedText, typedJson]);
  assert.deepEqual(forms('counts:TYPED'), [typedText, typedJson]);
  assert.deepEqual(forms('counts:PLAIN'), ['1,2', '"1,2"']);
});

test('a string is plain only', () => {
  assert.deepEqual(forms('envoy.tcp_proxy.cluster:PLAIN'), ['orders', '"orders"']);
  assert.deepEqual(forms('envoy.tcp_proxy.cluster'), [null, null]);
});

test('what nobody left is not there', () => {
  assert.deepEqual(forms('nope'), [null, null]);
  assert.deepEqual(forms('nope:PLAIN'), [null, null]);
});

test('a length cuts texts, and no JSON of an object', () => {
  assert.deepEqual(forms('counts', 5), ['{"req', typedJson]);
  assert.deepEqual(forms('counts:PLAIN', 2), ['1,', '"1,"']);
});

test('other forms are refused', () => {
  for (const argument of ['counts:FIELD:request_message_count', 'counts:plain', 'counts:PLAIN:x']) {
    assert.equal(forms(argument), 'expected KEY, KEY:PLAIN or KEY:TYPED');
  }
});
