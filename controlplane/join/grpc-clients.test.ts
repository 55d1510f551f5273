import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GrpcProfile } from '../translate/grpc/profile.ts';
import { GrpcClients } from './grpc-clients.ts';

const profile: GrpcProfile = {
  dialect: 'any',
  namespace: 'default',
  locality: { region: '', zone: '', subZone: '' },
  hasCertificates: false,
  nodeId: null,
};

function clients(maxProfiles = 10) {
  const log: string[] = [];
  const of = new GrpcClients({
    onNew: (key) => log.push(`new ${key}`),
    onGone: (key) => log.push(`gone ${key}`),
    maxProfiles,
  });
  const admit = (own: Partial<GrpcProfile> = {}) => {
    const admitted = of.admit({ ...profile, ...own });
    assert.ok(admitted.ok);
    return admitted.value;
  };
  return { of, log, admit };
}

test('clients of one profile share a key, which goes with the last of their streams', () => {
  const { of, log, admit } = clients();
  const key = admit();
  of.opened(key);
  assert.equal(admit(), key);
  of.opened(key);
  of.closed(key);
  assert.deepEqual(
    of.profiles().map(([each]) => each),
    [key],
  );
  of.closed(key);
  assert.deepEqual(log, [`new ${key}`, `gone ${key}`]);
  assert.deepEqual(of.profiles(), []);
});

test('a server’s stream renews the lease of its Workload, a sidecar’s its own', () => {
  const { of, admit } = clients();
  const key = admit({ nodeId: 'default/a' });
  assert.equal(of.opened(key), 'default/a');
  assert.equal(of.closed(key), 'default/a');
  assert.equal(of.opened('default/b'), 'default/b');
  assert.equal(of.closed('default/b'), 'default/b');
});

test('one profile more than there may be is refused, those that are there are not', () => {
  const { of, admit } = clients(2);
  admit();
  admit({ namespace: 'shop' });
  const third = of.admit({ ...profile, namespace: 'third' });
  assert.match(third.ok ? '' : third.errors.details, /too many/);
  assert.ok(of.admit(profile).ok);
});
