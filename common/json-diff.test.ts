import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { diffJson } from './json-diff.ts';

describe('the difference of two JSON values', () => {
  it('is nothing for equal ones', () => {
    const value = { a: [{ name: 'x', b: 1 }], c: null };
    assert.deepEqual(diffJson(value, structuredClone(value)), { fields: [], more: 0 });
  });

  it('names changed, new and lost fields by their path', () => {
    const { fields } = diffJson({ a: { b: 1, c: 'x' } }, { a: { b: 2, d: [true] } });
    assert.deepEqual(fields, [
      { path: 'a.b', before: '1', after: '2' },
      { path: 'a.c', before: '"x"', after: null },
      { path: 'a.d', before: null, after: '[true]' },
    ]);
  });

  it('matches items of a list by name, so that one more at the front is one change', () => {
    const { fields } = diffJson(
      { clusters: [{ name: 'v1', weight: 90 }, { name: 'v2' }] },
      { clusters: [{ name: 'v0' }, { name: 'v1', weight: 50 }, { name: 'v2' }] },
    );
    assert.deepEqual(
      fields.map(({ path, before, after }) => [path, before, after]),
      [
        ['clusters[v1].weight', '90', '50'],
        ['clusters[v0]', null, '{"name":"v0"}'],
      ],
    );
  });

  it('says when only the order of named items changed', () => {
    const { fields } = diffJson([{ name: 'a' }, { name: 'b' }], [{ name: 'b' }, { name: 'a' }]);
    assert.deepEqual(fields, [{ path: ' (order)', before: '["a","b"]', after: '["b","a"]' }]);
  });

  it('matches endpoints by address and groups of them by locality', () => {
    const at = (port: number) => ({
      endpoint: { address: { socket_address: { address: '::1', port_value: port } } },
    });
    const group = (...ports: number[]) => ({
      locality: { region: 'r', zone: 'z' },
      lb_endpoints: ports.map(at),
    });
    const { fields } = diffJson([group(1, 2)], [group(2, 3)]);
    assert.deepEqual(
      fields.map(({ path }) => path),
      ['[r/z].lb_endpoints[::1:1]', '[r/z].lb_endpoints[::1:3]'],
    );
  });

  it('compares by position where items have no names, or the same one', () => {
    assert.equal(diffJson([1, 2], [1, 3]).fields[0]?.path, '[1]');
    const twice = [{ name: 'a' }, { name: 'a' }];
    assert.equal(diffJson(twice, [{ name: 'a' }, { name: 'b' }]).fields[0]?.path, '[1].name');
  });

  it('stops at its limits and says how much there is more', () => {
    const many = Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`k${i}`, 'x'.repeat(9)]));
    const { fields, more } = diffJson(many, {}, { fields: 4, text: 8 });
    assert.equal(fields.length, 4);
    assert.equal(more, 1);
    assert.equal(fields[0]?.before, '"xxxx...');
  });
});
