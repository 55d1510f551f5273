// JS-05: a throw in any callback of a filter costs that request, is counted, and reaches nobody else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FilterScript, HcmScenario } from '../../test/fakes/hcm.ts';
import { ResponseHeaders } from '../api/headers.ts';
import { FilterDataStatus, FilterHeadersStatus } from '../api/http-filter.ts';

const explode = () => {
  throw new Error('a bug');
};
const POST = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody';

function answer(scenario: HcmScenario): void {
  const router = scenario.filters.get('router');
  router?.decoderCallbacks.encodeHeaders(
    new ResponseHeaders(200, ['content-length', '2']),
    false,
    'via_upstream',
  );
  router?.decoderCallbacks.encodeData(Buffer.from('ok'), true);
}

const throwing: readonly (readonly [string, FilterScript])[] = [
  ['decodeHeaders', { decodeHeaders: explode }],
  ['decodeData', { decodeData: explode }],
  ['encodeHeaders', { encodeHeaders: explode }],
];

for (const [callback, script] of throwing) {
  test(`a throw in ${callback} is a 500 with its reason, and the filters hear of the end`, () => {
    const scenario = new HcmScenario({
      filters: {
        before: {},
        broken: script,
        router: {
          decodeHeaders: FilterHeadersStatus.StopIteration,
          decodeData: FilterDataStatus.StopIterationNoBuffer,
        },
      },
    });
    scenario.send(POST);
    if (callback === 'encodeHeaders') answer(scenario);
    assert.match(scenario.connection.written, /^HTTP\/1\.1 500 Internal Server Error\r\n/);
    assert.equal(scenario.connection.written.match(/HTTP\/1\.1 /g)?.length, 1);
    assert.deepEqual(
      scenario.logs.map(({ code, details }) => [code, details]),
      [[500, 'filter_exception']],
    );
    assert.equal(scenario.bugs.length, 1);
    assert.ok(scenario.journal.includes('before.onDestroy'));
    assert.ok(scenario.journal.includes('broken.onDestroy'));
  });
}

test('a throw after the response began breaks it off', () => {
  const scenario = new HcmScenario({ filters: { broken: { encodeData: explode } } });
  scenario.get();
  answer(scenario);
  assert.match(scenario.connection.written, /^HTTP\/1\.1 200 OK\r\n/);
  assert.doesNotMatch(scenario.connection.written, /ok$/);
  assert.equal(scenario.connection.isOpen(), false);
  assert.equal(scenario.bugs.length, 1);
  assert.equal(scenario.stat('http.test.downstream_rq_active'), 0);
});

test('a filter that cannot be made lets nothing pass', () => {
  const scenario = new HcmScenario({
    realFilters: [{ name: 'guard', disabled: false, config: { createFilter: explode } }],
  });
  scenario.get();
  assert.match(scenario.connection.written, /^HTTP\/1\.1 500 /);
  assert.ok(!scenario.filters.has('router'));
  assert.equal(scenario.logs[0]?.details, 'filter_exception');
  assert.equal(scenario.bugs.length, 1);
});

test('a throw in onDestroy does not keep the others from hearing of the end', () => {
  const scenario = new HcmScenario({ filters: { first: {}, second: {} } });
  scenario.get();
  scenario.filters.get('first')!.onDestroy = explode;
  answer(scenario);
  assert.ok(scenario.journal.includes('second.onDestroy'));
  assert.equal(scenario.bugs.length, 1);
  assert.equal(scenario.logs.length, 1);
});
