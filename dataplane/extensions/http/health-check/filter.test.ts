import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeFilterContext, HcmScenario } from '../../../../test/fakes/hcm.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import { FakeCluster, FakeClusterManager } from '../../../../test/fakes/upstream.ts';
import type { WorkerContext } from '../../../api/factory.ts';
import { ResponseHeaders } from '../../../api/headers.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { HolderStore } from '../../../stats/store.ts';
import type { HealthCheckFilterData } from './data.ts';
import { healthCheck } from './filter.ts';

const answersHere: HealthCheckFilterData = {
  passThroughMode: false,
  headers: [
    {
      name: ':path',
      match: { kind: 'string', matcher: { kind: 'exact', value: '/ok', ignoreCase: false } },
      invert: false,
      treatMissingAsEmpty: false,
    },
  ],
  clusters: [],
  cache: null,
};
const passesOn: HealthCheckFilterData = { ...answersHere, passThroughMode: true };
const LH = ResponseFlag.FailedLocalHealthCheck;

function scenario(data: HealthCheckFilterData, workerIndex = 0) {
  const store = new HolderStore();
  const timers = new FakeTimers();
  const clusters = new FakeClusterManager(new FakeCluster('orders'));
  const context = fakeFilterContext({ store, timers, clusterManager: clusters });
  const state: { subject: HcmScenario | null } = { subject: null };
  const worker = {
    ...context.worker,
    workerIndex,
    node: { id: 'id', cluster: 'shop', zone: '' },
    healthchecksFail: () => state.subject?.healthchecksFail ?? false,
  } as WorkerContext; // fakeFilterContext's is partial too
  const config = healthCheck.create(data, { ...context, worker });
  const entry = { name: 'health_check', disabled: false, config };
  const subject = new HcmScenario({ store, timers, realFilters: [entry] });
  state.subject = subject;
  return { subject, timers, config, cluster: clusters.clusters.get('orders')! };
}

/** What came back since, without the date. */
function written(subject: HcmScenario): string {
  const text = subject.connection.written;
  subject.connection.written = '';
  return text.replace(/date: .*?\r\n/, '');
}

function check(subject: HcmScenario): string {
  subject.get('/ok');
  return written(subject);
}

/** The upstream's answer. */
function answer(subject: HcmScenario, status: number, fields: string[] = []): string {
  subject.router.encodeHeaders(new ResponseHeaders(status, fields), true, 'via_upstream');
  return written(subject);
}

const lastLog = (subject: HcmScenario) => {
  const { code, flags, details } = subject.logs.at(-1)!;
  return [code, flags, details];
};

test('answers checks with the name of its own cluster, and leaves other requests alone', () => {
  const { subject } = scenario(answersHere);
  assert.equal(
    check(subject),
    'HTTP/1.1 200 OK\r\nx-envoy-upstream-healthchecked-cluster: shop\r\nserver: envoy\r\ncontent-length: 0\r\n\r\n',
  );
  assert.deepEqual(lastLog(subject), [200, 0, 'health_check_ok']);
  subject.get('/other');
  assert.equal(answer(subject, 204), 'HTTP/1.1 204 No Content\r\nserver: envoy\r\n\r\n');
});

test('a check with a body is answered behind it', () => {
  const { subject } = scenario(answersHere);
  subject.send('POST /ok HTTP/1.1\r\nHost: h\r\ncontent-length: 3\r\n\r\nab');
  assert.equal(written(subject), '');
  subject.send('c');
  assert.match(written(subject), /^HTTP\/1\.1 200 /);
});

test('without headers every request is a check', () => {
  const { subject } = scenario({ ...answersHere, headers: [] });
  subject.get('/whatever');
  assert.match(written(subject), /healthchecked-cluster: shop/);
});

test('a server that is to fail says so to checks and to everybody else', () => {
  for (const data of [answersHere, passesOn]) {
    const { subject } = scenario(data);
    subject.healthchecksFail = true;
    const failure = check(subject);
    assert.match(failure, /^HTTP\/1\.1 503 /);
    assert.match(failure, /x-envoy-upstream-healthchecked-cluster: shop\r\n/);
    assert.match(failure, /x-envoy-immediate-health-check-fail: true\r\n/);
    assert.deepEqual(lastLog(subject), [503, LH, 'health_check_failed']);
  }
  const { subject } = scenario(answersHere);
  subject.healthchecksFail = true;
  subject.get('/other');
  const other = answer(subject, 200);
  assert.match(other, /^HTTP\/1\.1 200 .*x-envoy-immediate-health-check-fail: true\r\n/s);
  assert.doesNotMatch(other, /healthchecked-cluster/);
});

test('pass-through: the upstream answers, and the answer says who was asked', () => {
  const { subject } = scenario(passesOn);
  subject.get('/ok');
  assert.match(answer(subject, 500), /^HTTP\/1\.1 500 .*healthchecked-cluster: shop\r\n/s);
  assert.deepEqual(lastLog(subject), [500, 0, 'via_upstream']);
});

test('a cached answer is given until the period ends, with x-envoy-degraded, by all workers', () => {
  const cache = { periodMs: 1000, answer: new SharedArrayBuffer(4) };
  const first = scenario({ ...passesOn, cache });
  const other = scenario({ ...passesOn, cache }, 1);
  first.subject.get('/ok');
  answer(first.subject, 200, ['x-envoy-degraded', '1']);
  for (const { subject } of [first, other]) {
    assert.match(check(subject), /^HTTP\/1\.1 200 .*x-envoy-degraded: \r\n/s);
    assert.deepEqual(lastLog(subject), [200, 0, 'health_check_cached']);
  }
  other.timers.advance(5000);
  assert.match(check(other.subject), /^HTTP/, 'the first worker alone forgets');
  first.timers.advance(1000);
  first.subject.get('/ok');
  answer(first.subject, 404);
  check(first.subject);
  assert.deepEqual(lastLog(first.subject), [404, LH, 'health_check_cached']);
  const armed = first.timers.armedCount();
  first.config.dispose?.();
  assert.equal(first.timers.armedCount(), armed - 1);
});

test('an answer that is forgotten while the check is read is still given', () => {
  const { subject, timers } = scenario({
    ...passesOn,
    cache: { periodMs: 1000, answer: new SharedArrayBuffer(4) },
  });
  subject.get('/ok');
  answer(subject, 200);
  subject.send('POST /ok HTTP/1.1\r\nHost: h\r\ncontent-length: 3\r\n\r\n');
  timers.advance(1000);
  subject.send('abc');
  assert.match(written(subject), /^HTTP\/1\.1 200 /);
});

test('clusters that it depends on must have so many hosts that are not unhealthy', () => {
  // Beside Envoy 1.40: percent x hosts against usable hosts, in whole numbers.
  const table = [
    { total: 2, usable: 1, percent: 50, details: 'health_check_ok_cluster_healthy' },
    { total: 2, usable: 1, percent: 51, details: 'health_check_failed_cluster_unhealthy' },
    { total: 3, usable: 1, percent: 33, details: 'health_check_ok_cluster_healthy' },
    { total: 3, usable: 1, percent: 34, details: 'health_check_failed_cluster_unhealthy' },
    { total: 0, usable: 0, percent: 1, details: 'health_check_failed_cluster_empty' },
    { total: 0, usable: 0, percent: 0, details: 'health_check_ok_cluster_healthy' },
  ];
  for (const { total, usable, percent, details } of table) {
    const { subject, cluster } = scenario({
      ...answersHere,
      clusters: [{ cluster: 'orders', percent }],
    });
    cluster.hostCounts = { total, usable };
    check(subject);
    const isFine = details.includes('_ok_');
    assert.deepEqual(lastLog(subject), [isFine ? 200 : 503, isFine ? 0 : LH, details]);
  }
});

test('a cluster that is not there fails the check, whatever its percentage', () => {
  const { subject } = scenario({ ...answersHere, clusters: [{ cluster: 'gone', percent: 0 }] });
  check(subject);
  assert.deepEqual(lastLog(subject), [503, LH, 'health_check_failed_no_cluster_found']);
});

test('checks are not counted by their answers', () => {
  const { subject } = scenario(answersHere);
  check(subject);
  assert.equal(subject.stat('http.test.downstream_rq_completed'), 0);
  subject.get('/other');
  answer(subject, 200);
  assert.equal(subject.stat('http.test.downstream_rq_completed'), 1);
});
