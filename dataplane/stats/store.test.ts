// Holders come and go with listener updates; what they counted must not.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CollectsMore, StatField, StatScope, StatSink } from '../api/stats.ts';
import { BucketHistogram } from './histogram.ts';
import { mergeSnapshots, takeSnapshot } from './snapshot.ts';
import { HolderStore } from './store.ts';

const scope = (prefix: string): StatScope => ({ prefix, promPrefix: 'envoy_x', labels: {} });

class Holder implements CollectsMore {
  static readonly stats: readonly StatField[] = [
    { field: 'total', name: 'total', kind: 'counter' },
    { field: 'active', name: 'active', kind: 'gauge' },
  ];
  total = 0;
  active = 0;
  readonly time = new BucketHistogram();

  collectMore(at: StatScope, sink: StatSink): void {
    sink.tagged(at, 'rq_2xx', 'rq_xx', { class: '2' }, 'counter', this.total);
    const data = this.time.data();
    if (data !== null) sink.histogram(at, 'time', data);
  }
}

function holder(total: number): Holder {
  const made = new Holder();
  made.total = total;
  made.active = 1;
  made.time.record(total);
  return made;
}

function values(store: HolderStore): Record<string, unknown> {
  return Object.fromEntries(
    mergeSnapshots([takeSnapshot(store)]).map(({ name, value }) => [
      name,
      typeof value === 'object' ? value.count : value,
    ]),
  );
}

describe('HolderStore', () => {
  it('keeps the counts of a removed holder while another lives in its scope', () => {
    const store = new HolderStore();
    const first = holder(3);
    store.add(scope('a'), first);
    store.add(scope('a'), holder(4));
    store.remove(first);
    assert.deepEqual(values(store), {
      'a.total': 7,
      'a.active': 1,
      'a.rq_2xx': 7,
      'a.time': 2,
    });
  });

  it('grows by nothing when holders of one scope replace each other', () => {
    const store = new HolderStore();
    let current = holder(1);
    store.add(scope('a'), current);
    for (let i = 0; i < 100; i++) {
      const next = holder(1);
      store.add(scope('a'), next);
      store.remove(current);
      current = next;
    }
    assert.equal(store.size, 1);
    assert.equal(takeSnapshot(store).length, 7);
    assert.equal(values(store)['a.total'], 101);
  });

  it('forgets a scope with its last holder', () => {
    const store = new HolderStore();
    const first = holder(3);
    const second = holder(4);
    store.add(scope('a'), first);
    store.add(scope('a'), second);
    store.remove(first);
    store.remove(second);
    store.remove(second);
    assert.deepEqual(takeSnapshot(store), []);
  });
});
