import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ListenerFilterPredicate } from '../api/config/listener.ts';
import { matchesPredicate } from './filter-predicate.ts';

const ports = (start: number, end: number): ListenerFilterPredicate => ({
  kind: 'destination-port',
  start,
  end,
});

test('the end of a port range is not in it', () => {
  const at = (port: number) => matchesPredicate(ports(80, 90), { ip: '1.2.3.4', port });
  assert.deepEqual([79, 80, 89, 90].map(at), [false, true, true, false]);
});

test('a Unix socket has no port', () => {
  assert.equal(matchesPredicate(ports(0, 65_535), { ip: '/run/x.sock', port: 0 }), false);
});

test('and, or, not, any', () => {
  const address = { ip: '1.2.3.4', port: 85 };
  const matches = (predicate: ListenerFilterPredicate) => matchesPredicate(predicate, address);
  const [yes, no] = [ports(80, 90), ports(1, 2)];
  assert.equal(matches({ kind: 'and', rules: [yes, no] }), false);
  assert.equal(matches({ kind: 'or', rules: [yes, no] }), true);
  assert.equal(matches({ kind: 'not', rule: no }), true);
  assert.equal(matches({ kind: 'any', value: true }), true);
});
