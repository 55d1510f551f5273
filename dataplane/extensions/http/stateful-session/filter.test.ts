import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeFilterContext } from '../../../../test/fakes/hcm.ts';
import { FakeStreamInfo } from '../../../../test/fakes/stream-info.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import type { CookieSessionData } from '../../../api/config/session-state.ts';
import { RequestHeaders, ResponseHeaders } from '../../../api/headers.ts';
import type { StreamDecoderFilterCallbacks } from '../../../api/http-filter.ts';
import type { OverrideHost } from '../../../api/load-balancing.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { HolderStore } from '../../../stats/store.ts';
import type { StatefulSessionData, StatefulSessionRouteData } from './data.ts';
import { statefulSession } from './filter.ts';
import { encodeSessionCookie } from './session-cookie.ts';

const cookie: CookieSessionData = {
  kind: 'cookie',
  name: 'sess',
  ttlS: 0,
  path: '',
  attributes: [],
};

function sessionData(given: Partial<StatefulSessionData> = {}): StatefulSessionData {
  return { state: cookie, strict: false, statusIfMissing: 503, statPrefix: 's', ...given };
}

const sent = (address: string, expiresS = 0) => [
  'cookie',
  `sess="${encodeSessionCookie({ address, expiresS })}"`,
];

/** One filter config and the requests through it. */
class Scenario {
  readonly timers = new FakeTimers();
  readonly store = new HolderStore();
  readonly #config;
  readonly #route: unknown;

  constructor(data: StatefulSessionData, ofRoute?: StatefulSessionRouteData) {
    const { timers, store } = this;
    this.#config = statefulSession.create(data, fakeFilterContext({ store, timers }));
    this.#route = ofRoute === undefined ? null : statefulSession.createRouteConfig!(ofRoute);
  }

  /** What was asked for, and the response's fields after `answering` (`ip`, port 80; null = nobody) answered. */
  request(fields: string[], answering: string | null, path = '/p', flags = 0) {
    let override: OverrideHost | null = null;
    const streamInfo = new FakeStreamInfo();
    const { decoder, encoder } = this.#config.createFilter();
    decoder!.setDecoderFilterCallbacks({
      streamInfo,
      routeSpecificConfig: () => this.#route,
      setUpstreamOverrideHost: (host: OverrideHost) => {
        override = host;
      },
    } as unknown as StreamDecoderFilterCallbacks); // all that this filter uses
    decoder!.decodeHeaders(new RequestHeaders('GET', path, 'a', 'http', fields), true);
    streamInfo.upstreamHost = answering === null ? null : { ip: answering, port: 80 };
    streamInfo.responseFlags = flags;
    const response = new ResponseHeaders(200, []);
    encoder!.encodeHeaders(response, true);
    return { asked: override as OverrideHost | null, told: response.fields.join(': ') };
  }

  /** Of one stat_prefix: routed, failed_open, failed_closed, no_session. */
  counts(prefix: string): readonly number[] {
    const values = new Map<string, number>();
    this.store.collect({
      value: (scope, name, _kind, value) => values.set(`${scope.prefix}.${name}`, value),
      tagged: () => {},
      histogram: () => {},
      text: () => {},
    });
    return ['routed', 'failed_open', 'failed_closed', 'no_session'].map(
      (name) => values.get(`${prefix}.${name}`) ?? -1,
    );
  }
}

test('a client without a session is told of its host, and goes there again', () => {
  const subject = new Scenario(sessionData());
  const first = subject.request([], '10.0.0.1');
  assert.equal(first.asked, null);
  const value = encodeSessionCookie({ address: '10.0.0.1:80', expiresS: 0 });
  assert.equal(first.told, `set-cookie: sess="${value}"; HttpOnly`);
  const second = subject.request(sent('10.0.0.1:80'), '10.0.0.1');
  assert.deepEqual(second.asked, { address: '10.0.0.1:80', strict: false, statusIfMissing: 503 });
  assert.equal(second.told, '');
  // Its host is gone.
  assert.match(subject.request(sent('10.0.0.9:80'), '10.0.0.1').told, /^set-cookie/);
  assert.deepEqual(subject.counts('http.test.stateful_session.s'), [1, 2, 0, 0]);
});

test('a strict session that finds nobody counts as failed_closed', () => {
  const subject = new Scenario(sessionData({ strict: true, statusIfMissing: 404 }));
  const { asked, told } = subject.request(
    sent('10.0.0.1:80'),
    null,
    '/p',
    ResponseFlag.NoHealthyUpstream,
  );
  assert.deepEqual(asked, { address: '10.0.0.1:80', strict: true, statusIfMissing: 404 });
  assert.equal(told, '');
  subject.request([], '10.0.0.1');
  subject.request([], null);
  assert.deepEqual(subject.counts('http.test.stateful_session.s'), [0, 0, 1, 0]);
});

test('a cookie is good until it ends, by the wall clock', () => {
  const subject = new Scenario(sessionData({ state: { ...cookie, ttlS: 60, path: '/' } }));
  const nowS = Math.floor(subject.timers.clock.wallMs() / 1000);
  const value = encodeSessionCookie({ address: '10.0.0.1:80', expiresS: nowS + 60 });
  const { told } = subject.request([], '10.0.0.1');
  assert.equal(told, `set-cookie: sess="${value}"; Max-Age=60; Path=/; HttpOnly`);
  const asked = () => subject.request(sent('10.0.0.1:80', nowS + 60), '10.0.0.1').asked !== null;
  subject.timers.clock.jumpWall(60_000);
  assert.ok(asked());
  subject.timers.clock.jumpWall(1_000);
  assert.ok(!asked());
});

test('a cookie with a path is for requests below it', () => {
  const applies = (prefix: string, path: string) => {
    const subject = new Scenario(sessionData({ state: { ...cookie, path: prefix } }));
    const { asked, told } = subject.request(sent('10.0.0.9:80'), '10.0.0.1', path);
    assert.equal(asked !== null, told !== '');
    const [, open, , none] = subject.counts('http.test.stateful_session.s');
    assert.deepEqual([open, none], asked === null ? [0, 1] : [1, 0]);
    return asked !== null;
  };
  for (const path of ['/a', '/a/', '/a?x', '/a#x', '/a/b']) assert.ok(applies('/a', path), path);
  for (const path of ['/', '/b', '/ab']) assert.ok(!applies('/a', path), path);
  assert.ok(applies('/a/', '/a/b'));
  assert.ok(!applies('/a/', '/a'));
  assert.ok(applies('/', '/x'));
});

test('a route has its own session, or none', () => {
  const ofRoute = sessionData({ state: { kind: 'header', name: 'x-sess' }, statPrefix: 'r.1' });
  const own = new Scenario(sessionData(), ofRoute);
  const value = Buffer.from('10.0.0.1:80').toString('base64');
  assert.equal(own.request(sent('10.0.0.1:80'), '10.0.0.1').told, `x-sess: ${value}`);
  assert.equal(own.request(['x-sess', value], '10.0.0.1').asked?.address, '10.0.0.1:80');
  assert.equal(own.request(['x-sess', '10.0.0.1:80'], '10.0.0.1').asked, null);
  assert.deepEqual(own.counts('stateful_session.r.1'), [1, 2, 0, 0]);
  assert.deepEqual(own.counts('http.test.stateful_session.s'), [0, 0, 0, 0]);

  const none = new Scenario(sessionData(), null);
  assert.deepEqual(none.request(sent('10.0.0.1:80'), '10.0.0.1'), { asked: null, told: '' });
  const withoutState = new Scenario(sessionData({ state: null }));
  assert.deepEqual(withoutState.request(sent('10.0.0.1:80'), '10.0.0.1'), {
    asked: null,
    told: '',
  });
  assert.deepEqual(withoutState.counts('http.test.stateful_session.s'), [0, 0, 0, 1]);
});
