import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NodeMatcherProto, ValueMatcherProto } from '../../../proto/gen/types.ts';
import { matchesNode } from './node-matcher.ts';

const node = {
  id: 'sidecar-1',
  cluster: 'c',
  locality: { region: '', zone: '', subZone: '' },
  metadata: { app: { name: 'orders', tags: ['a', 'b'], weight: 5, gone: null, on: true } },
};
const matches = (...matchers: readonly NodeMatcherProto[]): boolean => {
  const result = matchesNode(matchers, node);
  assert.ok(result.ok, result.ok ? '' : JSON.stringify(result.errors));
  return result.value;
};
const ofApp = (key: string, value: ValueMatcherProto): NodeMatcherProto => ({
  node_metadatas: [{ path: [{ key: 'app' }, { key }], value }],
});

describe('node matchers', () => {
  it('mean everybody when there are none', () => {
    assert.equal(matches(), true);
  });

  it('look at the id', () => {
    assert.equal(matches({ node_id: { exact: 'sidecar-1' } }), true);
    assert.equal(matches({ node_id: { prefix: 'sidecar-' } }), true);
    assert.equal(matches({ node_id: { exact: 'SIDECAR-1', ignore_case: true } }), true);
    assert.equal(matches({ node_id: { safe_regex: { regex: 'sidecar-[0-9]' } } }), true);
    assert.equal(matches({ node_id: { exact: 'sidecar-2' } }), false);
  });

  it('are alternatives; what one says must all hold', () => {
    const other: NodeMatcherProto = { node_id: { exact: 'other' } };
    const both = { ...ofApp('name', { string_match: { exact: 'orders' } }), ...other };
    assert.equal(matches(other, { node_id: { exact: 'sidecar-1' } }), true);
    assert.equal(matches(both), false);
  });

  const values: readonly (readonly [string, ValueMatcherProto, boolean])[] = [
    ['name', { string_match: { exact: 'orders' } }, true],
    ['weight', { string_match: { exact: '5' } }, false],
    ['weight', { double_match: { exact: 5 } }, true],
    ['weight', { double_match: { range: { start: 5, end: 6 } } }, true],
    ['weight', { double_match: { range: { start: 4, end: 5 } } }, false],
    ['on', { bool_match: true }, true],
    ['on', { bool_match: false }, false],
    ['gone', { null_match: {} }, true],
    ['nothing', { present_match: false }, true],
    ['name', { present_match: true }, true],
    ['tags', { list_match: { one_of: { string_match: { exact: 'b' } } } }, true],
    ['tags', { list_match: { one_of: { string_match: { exact: 'c' } } } }, false],
    [
      'name',
      { or_match: { value_matchers: [{ bool_match: true }, { string_match: { suffix: 's' } }] } },
      true,
    ],
  ];
  for (const [key, matcher, expected] of values) {
    it(`look at metadata: ${key} ${JSON.stringify(matcher)} is ${expected}`, () => {
      assert.equal(matches(ofApp(key, matcher)), expected);
    });
  }

  it('are refused with their path when they make no sense', () => {
    const errorsOf = (matcher: NodeMatcherProto) => {
      const result = matchesNode([matcher], node);
      return result.ok ? [] : result.errors.map(({ path }) => path);
    };
    assert.deepEqual(errorsOf({ node_id: { safe_regex: { regex: '(' } } }), [
      'node_matchers[0].node_id.safe_regex.regex',
    ]);
    assert.deepEqual(errorsOf({ node_metadatas: [{ path: [{ key: 'app' }] }] }), [
      'node_matchers[0].node_metadatas[0].value',
    ]);
    assert.deepEqual(errorsOf(ofApp('name', {})), ['node_matchers[0].node_metadatas[0].value']);
  });
});
