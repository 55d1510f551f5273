import assert from 'node:assert/strict';
import { test } from 'node:test';
import { xxhash64Text } from '../../../../common/xxhash64.ts';
import {
  httpFilterData,
  httpFilterErrors,
  readFilterErrors,
} from '../../../../test/fakes/config.ts';
import { FakeStreamInfo } from '../../../../test/fakes/stream-info.ts';
import { connectionLogContext } from '../../../api/access-log.ts';
import type { FilterStateValueData } from './data.ts';
import { FilterStateValues } from './values.ts';

const HTTP = 'envoy.extensions.filters.http.set_filter_state.v3.Config';
const NETWORK = 'envoy.extensions.filters.network.set_filter_state.v3.Config';
const value = (key: string, factory: string, format: string, more = '') =>
  `{object_key: ${key}, factory_key: ${factory}, format_string: {text_format_source: {inline_string: "${format}"}}${more}}`;

/** The filter state that these values make of a connection from 10.1.2.3. */
function stateOf(...values: readonly string[]) {
  // config.ts makes it
  const data = httpFilterData(HTTP, `on_request_headers: [${values}]`) as FilterStateValueData[];
  const streamInfo = new FakeStreamInfo();
  new FilterStateValues(data).set(connectionLogContext(streamInfo, 'NotSet'));
  return streamInfo.filterState;
}

test('a hashable string is hashed, a string is not, both can be read', () => {
  const format = '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%';
  const state = stateOf(
    value('h', 'envoy.hashable_string', format),
    value('s', 'envoy.string', format),
  );
  const [hashable, plain] = [state?.get('h'), state?.get('s')];
  assert.ok(typeof hashable === 'object' && typeof plain === 'object');
  assert.equal(hashable.hash?.(), xxhash64Text('10.1.2.3'));
  assert.equal(plain.hash, undefined);
  assert.equal(plain.plain(), '10.1.2.3');
  assert.equal(plain.fields(), '10.1.2.3');
});

test('what tcp_proxy reads is a bare name', () => {
  const state = stateOf(value('envoy.tcp_proxy.cluster', '""', 'name'));
  assert.equal(state?.get('envoy.tcp_proxy.cluster'), 'name');
});

test('an empty text is skipped where that is asked for; a later value wins', () => {
  const state = stateOf(
    value('a', 'envoy.string', '', ', skip_if_empty: true'),
    value('b', 'envoy.string', ''),
    value('c', 'envoy.string', 'first'),
    value('c', 'envoy.string', 'second'),
  );
  const texts = [...(state ?? [])].map(([key, object]) =>
    typeof object === 'string' ? '' : `${key}=${object.plain()}`,
  );
  assert.deepEqual(texts, ['b=', 'c=second']);
  assert.equal(stateOf(value('a', 'envoy.string', '', ', skip_if_empty: true')), null);
});

test('objects that nobody makes, bad formats and what is not there are refused by name', () => {
  const list = (text: string) => `on_request_headers: [${text}]`;
  for (const [text, error] of [
    [value('k', 'other', 'x'), "factory_key: 'other' does not have an object factory"],
    [value('k', '""', 'x'), "object_key: 'k' does not have an object factory"],
    [value('k', 'envoy.string', 'x', ', read_only: true'), 'read_only: not supported yet'],
    [
      value('k', 'envoy.string', 'x', ', shared_with_upstream: ONCE'),
      'shared_with_upstream: not supported yet',
    ],
    [value('k', 'envoy.string', '%NOPE%'), 'format_string.text_format_source'],
  ] as const) {
    const errors = httpFilterErrors(HTTP, list(text));
    assert.equal(errors.length, 1, errors.join('\n'));
    assert.ok(errors[0]!.includes(`on_request_headers[0].${error}`), errors[0]);
  }
  const errors = readFilterErrors(NETWORK, `on_new_connection: [${value('k', 'other', 'x')}]`);
  assert.match(errors.join(), /on_new_connection\[0\]\.factory_key/);
});
