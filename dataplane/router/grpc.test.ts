import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultOutlierDetection } from '../../test/fakes/cluster-config.ts';
import { forwardAction, retryPolicy } from '../../test/fakes/route-data.ts';
import { RouterScenario } from '../../test/fakes/router.ts';
import type { FakeTry } from '../../test/fakes/upstream.ts';
import { StreamResetReason } from '../api/codec.ts';
import { ResponseHeaders, type Trailers } from '../api/headers.ts';
import { OutlierResult } from '../api/host.ts';

const GRPC = ['content-type', 'application/grpc+proto'];

const retrying = (words: readonly string[], numRetries = 1): RouterScenario =>
  new RouterScenario({
    route: { action: forwardAction({ retryPolicy: retryPolicy({ retryOn: words, numRetries }) }) },
  });

/** A call whose outcome only its trailers tell, unless the cluster says otherwise. */
function call(byTrailers: boolean): RouterScenario {
  const scenario = new RouterScenario();
  const { config } = scenario.cluster;
  const outlierDetection = { ...defaultOutlierDetection, grpcStatusFromTrailers: byTrailers };
  scenario.cluster.config = { ...config, outlierDetection };
  return scenario.request([...GRPC]);
}

function head(attempt: FakeTry, fields: string[] = []): FakeTry {
  attempt.ready().decoder.decodeHeaders(new ResponseHeaders(200, fields), false);
  return attempt;
}

const words: readonly (readonly [string, number])[] = [
  ['cancelled', 1],
  ['deadline-exceeded', 4],
  ['resource-exhausted', 8],
  ['internal', 13],
  ['unavailable', 14],
];

for (const [word, status] of words) {
  test(`${word} retries a trailers-only response with status ${status} and no other`, () => {
    for (let code = 0; code <= 17; code++) {
      const scenario = retrying([word]).request([...GRPC]);
      scenario.attempt.ready().respond(200, ['grpc-status', String(code)]);
      scenario.timers.advance(25);
      assert.equal(scenario.cluster.tries.length, code === status ? 2 : 1, String(code));
    }
  });
}

test('all words together, from the header too, with the body sent again', () => {
  const scenario = new RouterScenario().request(
    [...GRPC, 'x-envoy-retry-grpc-on', 'cancelled, unavailable', 'x-envoy-max-retries', '2'],
    false,
    'POST',
  );
  scenario.data('message', true);
  assert.equal(scenario.cluster.tries.length, 1);
  for (const status of ['1', '14', '0']) {
    assert.equal(scenario.attempt.ready().body, 'message');
    assert.doesNotMatch(scenario.attempt.fields.join(), /retry/);
    scenario.attempt.respond(200, ['grpc-status', status]);
    scenario.timers.advance(100);
  }
  assert.equal(scenario.cluster.tries.length, 3);
  assert.equal(scenario.header('grpc-status'), '0');
});

test('a status in trailers, which comes too late, is not retried', () => {
  const scenario = retrying(['unavailable']).request([...GRPC]);
  head(scenario.attempt).decoder.decodeTrailers(['grpc-status', '14']);
  assert.deepEqual(scenario.answer?.trailers, ['grpc-status', '14']);
  assert.equal(scenario.cluster.tries.length, 1);
});

test('words of gRPC do not retry resets', () => {
  const scenario = retrying(words.map(([word]) => word)).request([...GRPC]);
  scenario.attempt.ready().resetByPeer(StreamResetReason.RemoteReset);
  assert.equal(scenario.cluster.tries.length, 1);
  assert.match(scenario.summary(), /^503 UR /);
});

test('a status that is no number, or comes twice, is a failure', () => {
  for (const fields of [
    ['grpc-status', 'abc'],
    ['grpc-status', '-1'],
    ['grpc-status', '0', 'grpc-status', '0'],
  ]) {
    const scenario = new RouterScenario().request([...GRPC]);
    const { attempt } = scenario;
    attempt.ready().respond(200, fields);
    assert.deepEqual(attempt.host.codes, [500]);
    assert.equal(attempt.host.stats.rqError, 1);
  }
});

const ends: readonly (readonly [string, Trailers | null, number])[] = [
  ['success', ['grpc-status', '0'], 200],
  ['a failure of the caller', ['grpc-status', '5'], 404],
  ['unavailable', ['grpc-status', '14'], 503],
  ['a status that is no number', ['grpc-status', 'x'], 500],
  ['trailers without a status', ['x', 'y'], 500],
  ['no trailers', null, 500],
];

for (const [name, trailers, code] of ends) {
  test(`outlier detection by trailers: ${name} counts as ${code}, once`, () => {
    const scenario = call(true);
    const { attempt } = scenario;
    const { decoder, host } = head(attempt);
    assert.deepEqual(host.codes, [], 'nothing before the end');
    if (trailers === null) decoder.decodeData(Buffer.from('x'), true);
    else decoder.decodeTrailers(trailers);
    assert.deepEqual(host.codes, [code]);
    assert.equal(host.stats.rqSuccess, code < 500 ? 1 : 0);
    assert.equal(host.stats.rqError, code < 500 ? 0 : 1);
  });
}

test('outlier detection counts heads where trailers are not asked for', () => {
  const { attempt } = call(false);
  const { decoder, host } = head(attempt);
  assert.deepEqual(host.codes, [200]);
  decoder.decodeTrailers(['grpc-status', '14']);
  assert.deepEqual(host.codes, [200]);
});

test('by trailers or not, a status in the head counts there', () => {
  const whole = call(true);
  whole.attempt.ready().respond(200, ['grpc-status', '14']);
  assert.deepEqual(whole.cluster.tries[0]?.host.codes, [503]);
  const early = call(true);
  const { decoder, host } = head(early.attempt, ['grpc-status', '13']);
  decoder.decodeTrailers(['grpc-status', '0']);
  assert.deepEqual(host.codes, [500]);
  const failed = call(true);
  failed.attempt.ready().respond(503, []);
  assert.deepEqual(failed.cluster.tries[0]?.host.codes, [503]);
});

test('a response that is cut off counts as a failure to connect, as ever', () => {
  const { attempt } = call(true);
  const { host } = head(attempt);
  attempt.resetByPeer(StreamResetReason.RemoteReset);
  assert.deepEqual(host.codes, []);
  const { LocalOriginConnectSuccess, LocalOriginConnectFailed } = OutlierResult;
  assert.deepEqual(host.results, [LocalOriginConnectSuccess, LocalOriginConnectFailed]);
});
