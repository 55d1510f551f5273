import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adsSource } from '../api/config/config-source.ts';
import { onDemandKey } from '../api/on-demand.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import { OnDemandNames, OnDemandStats } from './on-demand-names.ts';

const target = (name: string): ResourceReference => {
  return { kind: 'cluster', name, source: adsSource };
};

function setUp(maxNames = 2) {
  const calls: string[] = [];
  const stats = new OnDemandStats();
  const subject = new OnDemandNames({
    subscriptions: {
      ask: (reference) => calls.push(`ask ${reference.name}`),
      unask: (reference) => calls.push(`unask ${reference.name}`),
    },
    maxNames: () => maxNames,
    stats,
    answer: (key, outcome) => calls.push(`${key.split(' ').at(-1)} ${outcome}`),
  });
  const news = (name: string, isFound: boolean) =>
    subject.onNews({ reference: target(name), isFound });
  const taken = () => calls.splice(0);
  return { subject, stats, news, taken };
}

test('a name is asked for once; who asks later hears what is known', () => {
  const { subject, stats, news, taken } = setUp();
  subject.request(target('a'));
  subject.request(target('a'));
  assert.deepEqual(taken(), ['ask a']);
  news('a', true);
  subject.request(target('a'));
  assert.deepEqual(taken(), ['a found', 'a found']);
  news('a', false);
  subject.request(target('a'));
  news('a', true);
  assert.deepEqual(taken(), ['a missing', 'a missing', 'a found']);
  assert.equal(stats.requested, 1);
});

test('at the limit a name that does not exist makes room, and one that does, or may, does not', () => {
  const { subject, stats, news, taken } = setUp();
  for (const name of ['a', 'b', 'c']) subject.request(target(name));
  assert.deepEqual(taken(), ['ask a', 'ask b', 'c refused']);
  news('a', true);
  news('b', false);
  taken();
  for (const name of ['d', 'e']) subject.request(target(name));
  assert.deepEqual(taken(), ['unask b', 'ask d', 'e refused']);
  const { names, requested, evicted, refused } = stats;
  assert.deepEqual(
    { names, requested, evicted, refused },
    { names: 2, requested: 3, evicted: 1, refused: 2 },
  );
  // Nobody is told of what was given up.
  news('b', true);
  assert.deepEqual(taken(), []);
});

test('a name that is longer than any host is refused', () => {
  const { subject, taken } = setUp();
  const longest = 'x'.repeat(1024);
  subject.request(target(longest));
  subject.request(target(`${longest}x`));
  assert.deepEqual(taken(), [`ask ${longest}`, `${longest}x refused`]);
  assert.notEqual(onDemandKey(target('a')), onDemandKey({ ...target('a'), kind: 'route' }));
});

test('what is forgotten is asked for again; who waits for it waits no more', () => {
  const { subject, stats, news, taken } = setUp();
  subject.request(target('a'));
  news('a', true);
  subject.request(target('b'));
  taken();
  for (const name of ['a', 'b', 'c']) subject.forget(target(name));
  assert.deepEqual(taken(), ['unask a', 'unask b', 'b missing']);
  assert.equal(stats.names, 0);
  subject.request(target('a'));
  assert.deepEqual(taken(), ['ask a']);
});
