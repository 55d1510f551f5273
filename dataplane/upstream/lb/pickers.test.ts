import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leastRequestOf, seededRandom } from '../../../test/fakes/cluster-config.ts';
import { defaultRoundRobin, defaultZoneAware } from '../../api/config/load-balancing.ts';
import type { UpstreamHost } from '../host.ts';
import { finish } from '../steps.ts';
import { EdfScheduler } from './edf-scheduler.ts';
import { createPicker, type ListPolicyData } from './pickers.ts';

const leastRequest = leastRequestOf();
const random: ListPolicyData = { kind: 'RANDOM', locality: defaultZoneAware };

/** What pickers look at of a host. */
class StubHost {
  readonly name: string;
  active: number;
  readonly #weight: number;

  constructor(name: string, weight = 1, active = 0) {
    this.name = name;
    this.active = active;
    this.#weight = weight;
  }

  weight(): number {
    return this.#weight;
  }

  rqActive(): number {
    return this.active;
  }
}

function picker(data: ListPolicyData, hosts: readonly StubHost[], seed = 1) {
  const list = hosts as unknown as UpstreamHost[]; // a picker uses weight() and rqActive() only
  const made = finish(createPicker(data, list, seededRandom(seed)));
  return () => made.pick() as unknown as StubHost | null;
}

function counts(pick: () => StubHost | null, times: number): Record<string, number> {
  const result: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const { name } = pick()!;
    result[name] = (result[name] ?? 0) + 1;
  }
  return result;
}

test('round robin goes in turn from some start', () => {
  for (const seed of [1, 2, 3, 4]) {
    const hosts = ['a', 'b', 'c'].map((name) => new StubHost(name));
    const pick = picker(defaultRoundRobin, hosts, seed);
    const names = Array.from({ length: 6 }, () => pick()!.name).join('');
    assert.match('abcabcabc', new RegExp(names.slice(0, 6)), names);
    assert.equal(names.slice(0, 3), names.slice(3));
  }
});

test('weighted round robin is exact over a whole cycle and spreads the heavy host', () => {
  const hosts = [new StubHost('a', 5), new StubHost('b', 1), new StubHost('c', 1)];
  const pick = picker(defaultRoundRobin, hosts);
  for (let cycle = 0; cycle < 5; cycle++) {
    assert.deepEqual(counts(pick, 7), { a: 5, b: 1, c: 1 });
  }
});

test('random is uniform and ignores weights', () => {
  const hosts = [new StubHost('a', 9), new StubHost('b'), new StubHost('c'), new StubHost('d')];
  const seen = counts(picker(random, hosts), 40_000);
  // 99.9 % interval of a binomial(40000, 1/4): 10000 +- 3.29 * 86.6
  for (const name of ['a', 'b', 'c', 'd']) assert.ok(Math.abs(seen[name]! - 10_000) < 285, name);
});

test('least request takes the idler of two draws with replacement', () => {
  const hosts = [new StubHost('busy', 1, 10), new StubHost('idle')];
  const seen = counts(picker(leastRequest, hosts), 40_000);
  // The busy one only when both draws are it: a quarter.
  assert.ok(Math.abs(seen['busy']! - 10_000) < 285, String(seen['busy']));
});

test('least request keeps the first draw on a tie', () => {
  const draws = [0.9, 0.1];
  let at = 0;
  const hosts = [new StubHost('a', 1, 3), new StubHost('b', 1, 3)] as unknown as UpstreamHost[];

  const chosen = finish(createPicker(leastRequest, hosts, () => draws[at++]!)).pick();
  assert.equal((chosen as unknown as StubHost).name, 'b');
});

test('choice_count 5 finds the only idle host more often than 2', () => {
  const hosts = ['a', 'b', 'c', 'd'].map((name) => new StubHost(name, 1, name === 'a' ? 0 : 5));
  const share = (choiceCount: number): number => {
    return counts(picker({ ...leastRequest, choiceCount }, hosts), 40_000)['a']! / 40_000;
  };
  assert.ok(Math.abs(share(2) - (1 - (3 / 4) ** 2)) < 0.01);
  assert.ok(Math.abs(share(5) - (1 - (3 / 4) ** 5)) < 0.01);
});

test('weighted least request divides the weight by active requests + 1 to the bias', () => {
  const share = (activeRequestBias: number): number => {
    const hosts = [new StubHost('a', 2, 3), new StubHost('b', 1, 0)];
    return counts(picker({ ...leastRequest, activeRequestBias }, hosts), 30_000)['a']! / 30_000;
  };
  assert.ok(Math.abs(share(0) - 2 / 3) < 0.001, 'bias 0 is plain weights');
  assert.ok(Math.abs(share(1) - 0.5 / 1.5) < 0.001, '2/4 against 1');
  assert.ok(Math.abs(share(2) - 0.125 / 1.125) < 0.001, '2/16 against 1');
});

test('a full scan finds the idle ones of all, each as likely', () => {
  const active = [3, 0, 5, 0, 0, 1];
  const hosts = active.map((count, i) => new StubHost(String(i), 1, count));
  const seen = counts(picker(leastRequestOf({ selection: 'FULL_SCAN' }), hosts), 30_000);
  assert.deepEqual(Object.keys(seen).sort(), ['1', '3', '4']);
  // 99.9 % interval of a binomial(30000, 1/3): 10000 +- 3.29 * 81.6
  for (const count of Object.values(seen)) assert.ok(Math.abs(count - 10_000) < 269);
});

test('with unequal weights a full scan goes by weights, as Envoy does', () => {
  const hosts = [new StubHost('a', 2, 9), new StubHost('b', 1, 9)];
  const seen = counts(picker(leastRequestOf({ selection: 'FULL_SCAN' }), hosts), 3000);
  assert.ok(Math.abs(seen['a']! - 2000) <= 2);
});

test('EDF that begins at some pick is as smooth as from the first one', () => {
  const weights: Record<string, number> = { a: 5, b: 2, c: 1 };
  const weightOf = (item: string) => weights[item]!;
  const items = Object.keys(weights);
  for (let picks = 0; picks < 16; picks++) {
    const scheduler = EdfScheduler.of(items, weightOf, picks);
    const got: Record<string, number> = { a: 0, b: 0, c: 0 };
    for (let i = 1; i <= 24; i++) {
      got[scheduler.pick(weightOf)!]!++;
      for (const item of items) {
        const off = Math.abs(got[item]! - (i * weightOf(item)) / 8);
        assert.ok(off <= 1.5, `${item} is ${off} off after ${picks} and ${i} picks`);
      }
    }
  }
});

test('an empty list gives no host under every policy', () => {
  for (const data of [defaultRoundRobin, leastRequest, random]) {
    assert.equal(picker(data, [])(), null);
  }
});

test('EDF: equal deadlines go by order of insertion, and weights are read at each pick', () => {
  const weights: Record<string, number> = { a: 1, b: 1, c: 1 };
  const weightOf = (item: string) => weights[item]!;
  const scheduler = EdfScheduler.of(['a', 'b', 'c'], weightOf, 0);
  const pick = () => scheduler.pick(weightOf)!;
  assert.equal([pick(), pick(), pick(), pick()].join(''), 'abca');
  weights['b'] = 100;
  const next = Array.from({ length: 20 }, pick).join('');
  assert.ok((next.match(/b/g) ?? []).length >= 17, next);
});
