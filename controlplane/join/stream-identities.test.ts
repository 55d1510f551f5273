import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StreamIdentities } from './stream-identities.ts';

function world() {
  const services = new Map([['default/a1', 'a']]);
  return { services, of: new StreamIdentities((nodeId) => services.get(nodeId) ?? null) };
}

test('the streams of a node that has become another service’s are strangers, until they are gone', () => {
  const { services, of } = world();
  of.opened('default/a1', 'default/a1');
  of.opened('default/a1', 'default/a1');
  assert.deepEqual(of.strangers(), []);
  services.set('default/a1', 'b');
  of.closed('default/a1');
  assert.deepEqual(of.strangers(), ['default/a1']);
  of.closed('default/a1');
  of.opened('default/a1', 'default/a1');
  assert.deepEqual(of.strangers(), []);
});

test('a node that is gone is none, but it is once it is back as another’s', () => {
  const { services, of } = world();
  of.opened('default/a1', 'default/a1');
  services.delete('default/a1');
  assert.deepEqual(of.strangers(), []);
  services.set('default/a1', 'b');
  assert.deepEqual(of.strangers(), ['default/a1']);
});

test('who was nobody’s when it came is not looked at', () => {
  const { services, of } = world();
  of.opened('grpc shop/* // any', 'grpc shop/* // any');
  services.set('grpc shop/* // any', 'a');
  assert.deepEqual(of.strangers(), []);
  of.closed('grpc shop/* // any');
});
