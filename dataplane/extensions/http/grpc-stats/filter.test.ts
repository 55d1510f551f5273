import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteByByte, GrpcScenario, grpcFrame, grpcPost } from '../../../../test/fakes/grpc.ts';
import { ResponseHeaders } from '../../../api/headers.ts';
import { takeSnapshot } from '../../../stats/snapshot.ts';
import type { GrpcStatsData } from './data.ts';
import { grpcStats } from './filter.ts';

const GRPC = ['content-type', 'application/grpc'];

function scenario(given: Partial<GrpcStatsData> = {}, clusterName = 'c'): GrpcScenario {
  const data = {
    individual: 'all',
    upstreamStats: false,
    emitFilterState: false,
    replaceDots: false,
    ...given,
  };
  return new GrpcScenario(grpcStats, { data, route: { clusterName } });
}

const call = (subject: GrpcScenario, path = '/a.b.Svc/Meth', type = 'application/grpc') =>
  subject
    .sendAll(grpcPost(type, [grpcFrame('hi')], '', path))
    .answer(200, [...GRPC], [grpcFrame('ok')], ['grpc-status', '0']);

test('a call is counted by its method, status and messages', () => {
  const subject = call(scenario());
  assert.deepEqual(subject.grpcCounters(), {
    'grpc.a.b.Svc.Meth.0': 1,
    'grpc.a.b.Svc.Meth.success': 1,
    'grpc.a.b.Svc.Meth.total': 1,
    'grpc.a.b.Svc.Meth.request_message_count': 1,
    'grpc.a.b.Svc.Meth.response_message_count': 1,
  });
});

test('messages are found byte by byte, in both directions', () => {
  const subject = scenario();
  const body = Buffer.concat([grpcFrame('one'), grpcFrame(''), grpcFrame('three')]);
  subject
    .sendAll(grpcPost('application/grpc', byteByByte(body)))
    .answer(200, [...GRPC], byteByByte(body.subarray(0, -1)), ['grpc-status', '0']);
  assert.equal(subject.grpcCounters()['grpc.a.Svc.Meth.request_message_count'], 3);
  assert.equal(subject.grpcCounters()['grpc.a.Svc.Meth.response_message_count'], 3);
});

test('dots in service names may be replaced', () => {
  const subject = call(scenario({ replaceDots: true }));
  assert.equal(subject.grpcCounters()['grpc.a_b_Svc.Meth.success'], 1);
});

test('methods that are not listed are counted together', () => {
  const individual = [{ name: 'a.b.Svc', methods: ['Meth'] }];
  const listed = call(scenario({ individual, replaceDots: true }));
  assert.equal(listed.grpcCounters()['grpc.a.b.Svc.Meth.success'], 1);
  for (const path of ['/a.b.Svc/Other', '/other.Svc/Meth']) {
    assert.equal(call(scenario({ individual }), path).grpcCounters()['grpc.success'], 1);
  }
  assert.equal(call(scenario({ individual: 'none' })).grpcCounters()['grpc.success'], 1);
});

test('what is not gRPC, and what has no method or no cluster, is not counted', () => {
  for (const subject of [
    call(scenario(), '/a.b.Svc/Meth', 'application/json'),
    call(scenario(), '/a.b.Svc/Meth', 'application/grpc-web'),
    call(scenario(), '/nothing'),
    call(scenario({ individual: 'none' }), '/nothing'),
    call(scenario({}, 'gone')),
  ]) {
    assert.deepEqual(subject.grpcCounters(), {});
  }
});

test('a cluster that a header chooses is known once the router has chosen it', () => {
  const subject = scenario({}, '');
  const [head = '', ...body] = grpcPost('application/grpc', [grpcFrame('a'), grpcFrame('b')]);
  subject.sendAll([head, body[0]!]);
  assert.deepEqual(subject.grpcCounters(), {});
  subject.router.streamInfo.upstreamCluster = 'c';
  subject.sendAll(body.slice(1)).answer(200, [...GRPC, 'grpc-status', '14'], [], null);
  assert.deepEqual(subject.grpcCounters(), {
    'grpc.a.Svc.Meth.14': 1,
    'grpc.a.Svc.Meth.failure': 1,
    'grpc.a.Svc.Meth.total': 1,
    'grpc.a.Svc.Meth.request_message_count': 2,
  });
});

test('a local reply counts where the route leads', () => {
  const subject = scenario();
  subject.sendAll(grpcPost('application/grpc', []));
  subject.router.sendLocalReply(503, '', null, 'x');
  assert.equal(subject.grpcCounters()['grpc.a.Svc.Meth.14'], 1);
});

test('messages of a response that is not gRPC are not counted', () => {
  for (const [status, type] of [
    [503, 'application/grpc'],
    [200, 'text/plain'],
  ] as const) {
    const subject = scenario();
    subject.sendAll(grpcPost('application/grpc', []));
    subject.answer(status, ['content-type', type], [grpcFrame('x')], null);
    assert.deepEqual(subject.grpcCounters(), {});
  }
});

test('the time of the upstream is recorded at the end of the response, if that is asked for', () => {
  const counted = (upstreamStats: boolean): number => {
    const subject = scenario({ upstreamStats });
    subject.sendAll(grpcPost('application/grpc', [grpcFrame('a')]));
    const { streamInfo } = subject.router;
    streamInfo.lastUpstreamTxByteMs = 10;
    streamInfo.lastUpstreamRxByteMs = 17.9;
    subject.answer(200, [...GRPC], [], ['grpc-status', '0']);
    const times = takeSnapshot(subject.store).find(({ name }) => name.endsWith('upstream_rq_time'));
    return times?.name === 'cluster.c.grpc.a.Svc.Meth.upstream_rq_time' &&
      times.kind === 'histogram'
      ? times.value.sum
      : -1;
  };
  assert.equal(counted(true), 7);
  assert.equal(counted(false), -1);
});

/** What is logged of the filter state, PLAIN and with names; null = nothing. */
function stateOf(subject: GrpcScenario): unknown {
  const state = subject.router.streamInfo.filterState?.get('envoy.filters.http.grpc_stats');
  if (state === undefined || typeof state === 'string') return null;
  return [state.plain(), state.fields()];
}

test('message counts stand in the filter state from the first message on, if that is asked for', () => {
  const subject = scenario({ emitFilterState: true });
  const [head = '', ...body] = grpcPost('application/grpc', [grpcFrame('a'), grpcFrame('b')]);
  subject.sendAll([head]);
  assert.equal(stateOf(subject), null);
  subject.sendAll(body.slice(0, 1));
  assert.deepEqual(stateOf(subject), ['1,0', { request_message_count: '1' }]);
  subject.sendAll(body.slice(1));
  const { router } = subject;
  router.encodeHeaders(new ResponseHeaders(200, [...GRPC]), false, 'via_upstream');
  router.encodeData(grpcFrame('c'), false);
  assert.deepEqual(stateOf(subject), [
    '2,1',
    { request_message_count: '2', response_message_count: '1' },
  ]);
  const silent = scenario();
  silent.sendAll([head, ...body]);
  assert.equal(stateOf(silent), null);
});

test('the filter state has the messages of calls that no stat counts', () => {
  for (const [path, type, expected] of [
    ['/nothing', 'application/grpc', '1,1'],
    ['/a/b', 'text/plain', '0,1'],
  ] as const) {
    const subject = scenario({ emitFilterState: true });
    subject.sendAll(grpcPost(type, [grpcFrame('a')], '', path));
    const { router } = subject;
    router.encodeHeaders(new ResponseHeaders(200, [...GRPC]), false, 'via_upstream');
    router.encodeData(grpcFrame('c'), false);
    assert.equal((stateOf(subject) as unknown[])[0], expected); // asked for, so it is there
    assert.deepEqual(subject.grpcCounters(), {});
  }
});
