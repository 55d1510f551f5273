import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeFilterContext, fakeRoute, HcmScenario } from '../../../../test/fakes/hcm.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import type { ValueFormat } from '../../../access-log/ordered-mutations.ts';
import { ResponseHeaders } from '../../../api/headers.ts';
import type { HeaderMutationData, OrderedMutationData } from '../../../api/matcher-data.ts';
import { HolderStore } from '../../../stats/store.ts';
import type { HeaderMutationsInOrder } from './data.ts';
import { headerMutationFactory } from './filter.ts';

/** Knows literals, `%REQ(name)%` and `%RESP(name)%` alone: formats themselves are tested in access-log. */
function compileFormat(text: string): ValueFormat {
  const operator = /^%(REQ|RESP)\((.*)\)%$/.exec(text);
  if (operator === null) return () => text;
  const name = operator[2]!;
  if (operator[1] === 'REQ') return (context) => context.requestHeaders?.get(name) ?? null;
  return (context) => context.responseHeaders?.get(name) ?? null;
}

const headerMutation = headerMutationFactory(compileFormat);

const append = (
  name: string,
  value: string,
  action: HeaderMutationData['action'] = 'APPEND_IF_EXISTS_OR_ADD',
  keepEmptyValue = false,
): OrderedMutationData => ({ kind: 'append', header: { name, value, action, keepEmptyValue } });

function scenario(
  mutations: Partial<HeaderMutationsInOrder>,
  perRoute: HeaderMutationsInOrder[] = [],
  mostSpecificHeaderMutationsWins = false,
): HcmScenario {
  const config = headerMutation.create(
    { mutations: { request: [], response: [], ...mutations }, mostSpecificHeaderMutationsWins },
    fakeFilterContext({ store: new HolderStore(), timers: new FakeTimers() }),
  );
  return new HcmScenario({
    config: { generateRequestId: false },
    realFilters: [{ name: 'hm', disabled: false, config }],
    route: fakeRoute({
      allPerFilterConfigs: () =>
        perRoute.map((level) => headerMutation.createRouteConfig!({ mutations: level })),
    }),
  });
}

// Checked against Envoy 1.40: overwriting moves to the end, empty values do nothing unless kept.
const everyAction: OrderedMutationData[] = [
  append('x-a', '1'),
  append('x-b', '1', 'ADD_IF_ABSENT'),
  append('x-c', '1', 'OVERWRITE_IF_EXISTS_OR_ADD'),
  append('x-d', '1', 'OVERWRITE_IF_EXISTS'),
  append('x-e', ''),
  append('x-f', '', 'APPEND_IF_EXISTS_OR_ADD', true),
  append('x-g', '', 'OVERWRITE_IF_EXISTS_OR_ADD'),
  append('x-h', '%REQ(nope)%', 'OVERWRITE_IF_EXISTS_OR_ADD'),
  append('x-i', '%REQ(nope)%', 'OVERWRITE_IF_EXISTS_OR_ADD', true),
  { kind: 'remove', name: 'x-r' },
  { kind: 'remove_on_match', nameMatcher: { kind: 'prefix', value: 'x-m', ignoreCase: false } },
  append('x-p', '%REQ(:path)%'),
  append('user-agent', 'q'),
];

test('every action on a request without and with the headers', () => {
  const without = scenario({ request: everyAction });
  without.get('/q');
  assert.equal(
    without.upstreamRequest.fields.join(' '),
    'x-forwarded-proto http x-a 1 x-b 1 x-c 1 x-f  x-i  x-p /q user-agent q',
  );
  const having = scenario({ request: everyAction });
  having.get(
    '/q',
    ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'R', 'M1', 'A', 'C']
      .map((letter) => `X-${letter}: 0\r\n`)
      .join('')
      .concat('User-Agent: z\r\n'),
  );
  assert.equal(
    having.upstreamRequest.fields.join(' '),
    'x-a 0 x-b 0 x-e 0 x-f 0 x-g 0 x-h 0 x-a 0 user-agent z,q x-forwarded-proto http ' +
      'x-a 1 x-c 1 x-d 1 x-f  x-i  x-p /q',
  );
});

test('responses are mutated with sight of both heads, local replies too', () => {
  const subject = scenario({
    response: [append('x-q', '%REQ(x-in)%'), append('x-s', '%RESP(x-up)%')],
  });
  subject.get('/', 'x-in: i\r\n');
  subject.router.encodeHeaders(new ResponseHeaders(200, ['x-up', 'u']), true, 'via_upstream');
  assert.match(subject.connection.takeWritten(), /\r\nx-q: i\r\nx-s: u\r\n/);
  subject.get('/', 'x-in: j\r\n');
  subject.router.sendLocalReply(503, '', null, 'x');
  assert.match(subject.connection.written, /\r\nx-q: j\r\n/);
});

test('levels of a route: the least specific has the last word unless told otherwise', () => {
  const level = (name: string): HeaderMutationsInOrder => ({
    request: [append('x-level', name, 'OVERWRITE_IF_EXISTS_OR_ADD'), append('x-order', name)],
    response: [],
  });
  const perRoute = [level('route'), level('vhost')];
  for (const [mostSpecificWins, expected] of [
    [false, 'filter,route,vhost'],
    [true, 'filter,vhost,route'],
  ] as const) {
    const subject = scenario(level('filter'), perRoute, mostSpecificWins);
    subject.get();
    assert.equal(subject.upstreamRequest.get('x-order'), expected);
    assert.equal(subject.upstreamRequest.get('x-level'), mostSpecificWins ? 'route' : 'vhost');
  }
});
