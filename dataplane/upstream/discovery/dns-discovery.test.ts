import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignmentOf, clusterConfig, hostConfig } from '../../../test/fakes/cluster-config.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import type { DnsConfig } from '../../api/config/dns.ts';
import { MembershipStats } from '../supervision/membership-stats.ts';
import { DnsDiscovery } from './dns-discovery.ts';
import type { ResolvedAddress } from './name-resolver.ts';

interface Question {
  readonly name: string;
  answer(ips: readonly string[], ttlS?: number): Promise<void>;
  fail(): Promise<void>;
}

function setUp(
  names: readonly string[],
  dns: Partial<DnsConfig> = {},
  type: 'STRICT_DNS' | 'LOGICAL_DNS' = 'STRICT_DNS',
) {
  const timers = new FakeTimers();
  const stats = new MembershipStats(() => ({
    total: 0,
    healthy: 0,
    degraded: 0,
    excluded: 0,
    maxWeight: 0,
  }));
  const questions: Question[] = [];
  const published: string[][] = [];
  const settle = () => new Promise<void>((resolve) => setImmediate(resolve));
  const discovery = new DnsDiscovery(
    type,
    { ...clusterConfig().dns, ...dns },
    assignmentOf(names.map((name) => hostConfig(name, { weight: 2 }))),
    {
      timers,
      stats,
      random: () => 0.5,
      resolver: {
        resolve: (name) =>
          new Promise<readonly ResolvedAddress[]>((resolve, reject) => {
            questions.push({
              name,
              answer: (ips, ttlS = 60) => {
                resolve(ips.map((ip) => ({ ip, ttlS })));
                return settle();
              },
              fail: () => {
                reject(new Error('ESERVFAIL'));
                return settle();
              },
            });
          }),
      },
      onResolved: ({ localities }) =>
        published.push(
          localities.flatMap(({ hosts }) =>
            hosts.map(
              ({ address, hostname, weight, identity = '' }) =>
                `${address} ${hostname} ${weight}${identity}`,
            ),
          ),
        ),
    },
  );
  return { timers, stats, questions, published, discovery };
}

test('every address is a host with the settings of its endpoint and the name as hostname', async () => {
  const { questions, published, discovery, stats } = setUp(['orders']);
  discovery.start();
  await questions[0]!.answer(['10.0.0.2', '10.0.0.1', '10.0.0.2']);
  assert.deepEqual(published, [['10.0.0.1 orders 2', '10.0.0.2 orders 2']]);
  assert.deepEqual([stats.updateAttempt, stats.updateSuccess], [1, 1]);
});

test('publishes first when every name was asked, even those that fail', async () => {
  const { questions, published, discovery, stats } = setUp(['a', 'b', '10.0.0.9']);
  discovery.start();
  assert.deepEqual(
    questions.map(({ name }) => name),
    ['a', 'b'],
  );
  await questions[0]!.answer(['10.0.0.1']);
  assert.deepEqual(published, []);
  await questions[1]!.fail();
  assert.deepEqual(published, [['10.0.0.1 a 2', '10.0.0.9  2']]);
  assert.equal(stats.updateFailure, 1);
});

test('asks again after dns_refresh_rate and publishes only changes', async () => {
  const { timers, questions, published, discovery, stats } = setUp(['a']);
  discovery.start();
  await questions[0]!.answer(['10.0.0.1', '10.0.0.2']);
  timers.advance(4_999);
  assert.equal(questions.length, 1);
  timers.advance(1);
  await questions[1]!.answer(['10.0.0.2', '10.0.0.1']);
  assert.equal(published.length, 1, 'another order is no change');
  assert.equal(stats.updateNoRebuild, 1);
  timers.advance(5_000);
  await questions[2]!.answer(['10.0.0.2']);
  assert.deepEqual(published[1], ['10.0.0.2 a 2']);
});

test('respect_dns_ttl asks again after the shortest TTL, unless that is 0', async () => {
  const { timers, questions, discovery } = setUp(['a'], { respectTtl: true });
  discovery.start();
  await questions[0]!.answer(['10.0.0.1'], 30);
  timers.advance(29_999);
  assert.equal(questions.length, 1);
  timers.advance(1);
  await questions[1]!.answer(['10.0.0.1'], 0);
  timers.advance(4_999);
  assert.equal(questions.length, 2);
  timers.advance(1);
  assert.equal(questions.length, 3);
});

test('a failure or an empty answer keeps the addresses and backs off', async () => {
  const { timers, questions, published, discovery, stats } = setUp(['a'], {
    failureRefreshBaseMs: 1_000,
    failureRefreshMaxMs: 4_000,
  });
  discovery.start();
  await questions[0]!.answer(['10.0.0.1']);
  timers.advance(5_000);
  // Half of 1 s, 2 s, 4 s, 4 s, since chance says 0.5.
  for (const delayMs of [500, 1_000, 2_000, 2_000]) {
    const asked = questions.length;
    if (asked % 2 === 0) await questions[asked - 1]!.fail();
    else await questions[asked - 1]!.answer([]);
    timers.advance(delayMs - 1);
    assert.equal(questions.length, asked, `not before ${delayMs}`);
    timers.advance(1);
    assert.equal(questions.length, asked + 1);
  }
  assert.equal(published.length, 1);
  assert.deepEqual([stats.updateFailure, stats.updateEmpty], [2, 2]);
});

test('without dns_failure_refresh_rate a failure waits for dns_refresh_rate', async () => {
  const { timers, questions, discovery } = setUp(['a']);
  discovery.start();
  await questions[0]!.fail();
  timers.advance(4_999);
  assert.equal(questions.length, 1);
  timers.advance(1);
  assert.equal(questions.length, 2);
});

test('after close an answer changes nothing and no timer is left', async () => {
  const { timers, questions, published, discovery } = setUp(['a']);
  discovery.start();
  discovery.close();
  await questions[0]!.answer(['10.0.0.1']);
  assert.deepEqual(published, []);
  assert.equal(timers.armedCount(), 0);
});

test('dns_jitter asks again later by chance, after answers only', async () => {
  const { timers, questions, discovery } = setUp(['a'], { jitterMs: 3_000 });
  discovery.start();
  await questions[0]!.answer(['10.0.0.1']);
  timers.advance(6_499);
  assert.equal(questions.length, 1);
  timers.advance(1);
  await questions[1]!.fail();
  timers.advance(5_000);
  assert.equal(questions.length, 3);
});

test('a TTL below dns_min_refresh_rate counts as that', async () => {
  const { timers, questions, discovery } = setUp(['a'], { respectTtl: true, minRefreshMs: 8_000 });
  discovery.start();
  await questions[0]!.answer(['10.0.0.1'], 1);
  timers.advance(7_999);
  assert.equal(questions.length, 1);
  timers.advance(1);
  assert.equal(questions.length, 2);
});

test('LOGICAL_DNS has one host of constant identity at the first address of the last answer', async () => {
  const { timers, questions, published, discovery } = setUp(['a'], {}, 'LOGICAL_DNS');
  discovery.start();
  await questions[0]!.answer(['10.0.0.2', '10.0.0.1']);
  timers.advance(5_000);
  await questions[1]!.answer(['10.0.0.1', '10.0.0.2']);
  timers.advance(5_000);
  await questions[2]!.answer([]);
  assert.deepEqual(published, [['10.0.0.2 a 2a:80'], ['10.0.0.1 a 2a:80']]);
});

test('LOGICAL_DNS has no host until its name is resolved', async () => {
  const { timers, questions, published, discovery } = setUp(['a'], {}, 'LOGICAL_DNS');
  discovery.start();
  await questions[0]!.fail();
  timers.advance(5_000);
  await questions[1]!.answer(['10.0.0.1']);
  assert.deepEqual(published, [[], ['10.0.0.1 a 2a:80']]);
});
