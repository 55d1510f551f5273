import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { MemoryState, type State } from '../ca/state-dir.ts';
import type { Workload } from '../model/kinds/workload.ts';
import { Registry } from './registry.ts';

const GRACE_MS = 30_000;
const RESTORED_GRACE_MS = 60_000;

const workload = (name: string, address = '10.0.0.1'): Workload => ({
  apiVersion: 'remora.dev/v1',
  kind: 'Workload',
  metadata: { name, namespace: 'default' },
  spec: { service: 'orders', address, inboundPort: 1, appPort: 2 },
});

describe('registrations', () => {
  let timers: FakeTimers;
  let state: State;
  let changes: number;
  const open = () =>
    new Registry({
      clock: timers.clock,
      timers,
      logger: silentLogger(),
      state,
      graceMs: GRACE_MS,
      restoredGraceMs: RESTORED_GRACE_MS,
      onChange: () => changes++,
    });
  const names = (registry: Registry) => registry.workloads().map(({ metadata }) => metadata.name);

  beforeEach(() => {
    timers = new FakeTimers();
    state = new MemoryState();
    changes = 0;
  });

  it('end after the grace time without a sign of life', () => {
    const registry = open();
    registry.register(workload('a'));
    timers.advance(GRACE_MS - 1000);
    assert.deepEqual(names(registry), ['a']);
    timers.advance(2000);
    assert.deepEqual(names(registry), []);
    assert.equal(changes, 2);
    assert.equal(registry.keepalive('default/a'), false);
  });

  it('of thousands at once do not write the file a thousand times, and are all kept', () => {
    let writes = 0;
    const memory = new MemoryState();
    state = {
      place: memory.place,
      read: (name) => memory.read(name),
      write(name, content) {
        writes++;
        memory.write(name, content);
      },
    };
    const registry = open();
    for (let i = 0; i < 1000; i++) registry.register(workload(`w${i}`));
    assert.equal(writes, 1);
    timers.advance(100);
    assert.equal(writes, 2);
    assert.equal(open().workloads().length, 1000);
    registry.register(workload('last'));
    registry[Symbol.dispose]();
    assert.equal(open().workloads().length, 1001);
  });

  it('are kept by keepalives', () => {
    const registry = open();
    registry.register(workload('a'));
    for (let i = 0; i < 10; i++) {
      timers.advance(GRACE_MS / 3);
      assert.equal(registry.keepalive('default/a'), true);
    }
    assert.deepEqual(names(registry), ['a']);
  });

  it('are kept by an open stream, and outlive it by the grace time', () => {
    const registry = open();
    registry.register(workload('a'));
    registry.streamOpened('default/a');
    timers.advance(10 * GRACE_MS);
    assert.deepEqual(names(registry), ['a']);
    registry.streamClosed('default/a');
    timers.advance(GRACE_MS - 1000);
    assert.deepEqual(names(registry), ['a']);
    timers.advance(2000);
    assert.deepEqual(names(registry), []);
  });

  it('end at once when the sidecar says so', () => {
    const registry = open();
    registry.register(workload('a'));
    registry.deregister('default/a');
    registry.deregister('default/a');
    assert.deepEqual(names(registry), []);
    assert.equal(changes, 2);
  });

  it('replace the one of the same node, as a change only if it is one', () => {
    const registry = open();
    registry.register(workload('a'));
    registry.register(workload('a'));
    assert.equal(changes, 1);
    registry.register(workload('a', '10.0.0.2'));
    assert.equal(changes, 2);
    assert.equal(registry.workload('default/a')?.spec.address, '10.0.0.2');
  });

  it('are there again after a restart, for as long as sidecars take to come back', () => {
    const before = open();
    before.register(workload('a'));
    before[Symbol.dispose]();
    const after = open();
    assert.deepEqual(names(after), ['a']);
    timers.advance(RESTORED_GRACE_MS - 1000);
    assert.equal(after.keepalive('default/a'), true, 'a restored node goes on without registering');
    timers.advance(GRACE_MS - 1000);
    assert.deepEqual(names(after), ['a']);
    timers.advance(2000);
    assert.deepEqual(names(after), []);
  });

  it('start empty when what was kept cannot be read', () => {
    state.write('registrations.json', '{');
    assert.deepEqual(names(open()), []);
  });
});
