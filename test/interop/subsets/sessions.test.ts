// Stateful sessions and the override_host policy side by side with Envoy: who is asked for, who answers, what the client
// is told of it, and the counters.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Sidecar, startSidecar } from '../../integration/sidecar.ts';
import { findPeer, skipWithout } from '../peers.ts';
import { type RunningProxy, startProxy } from '../proxies.ts';
import { type Answer, bootstrap, get, startUpstreams, type Upstreams, yamlOf } from './scenario.ts';
import { drainingSessions, overrideHost, sessionFilter, sessions } from './sessions.ts';

const base64 = (bytes: Uint8Array | string) => Buffer.from(bytes).toString('base64');

/** The message that a cookie holds. */
function message(address: string, expires: readonly number[] = []): string {
  return base64(Uint8Array.from([0x0a, address.length, ...Buffer.from(address), ...expires]));
}

const PAST = [0x10, 0x01];
const FAR_FUTURE = [0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
const NOBODY = '127.0.0.1:9';
const TIMES = 10;

/** What a client says of host `asked`. */
const requests: readonly {
  readonly route: string;
  readonly cluster?: string;
  readonly asked?: number;
  readonly headers?: (address: string) => Record<string, string>;
}[] = [
  ...['own', 'ttl', 'half-second', 'attributes', 'other-path', 'own-path?q=1', 'below-path'].map(
    (route) => ({ route }),
  ),
  ...['strict', 'strict-404', 'header', 'nothing', 'disabled'].map((route) => ({ route })),
  ...['own', 'strict'].flatMap((route) => [0, 1, 2, 3, 4, 5].map((asked) => ({ route, asked }))),
  ...[0, 2, 3].map((asked) => ({ cluster: 'draining', route: 'own', asked })),
  ...['ttl', 'other-path', 'own-path', 'below-path', 'nothing', 'disabled'].map((route) => ({
    route,
    asked: 1,
  })),
  ...['own', 'ttl'].flatMap((route) => [
    { route, asked: 1, headers: (a: string) => ({ cookie: `sess="${message(a, PAST)}"` }) },
    { route, asked: 1, headers: (a: string) => ({ cookie: `sess="${message(a, FAR_FUTURE)}"` }) },
  ]),
  { route: 'own', asked: 1, headers: (a) => ({ cookie: `a=b; sess=${message(a)}; sess=other` }) },
  { route: 'own', asked: 1, headers: (a) => ({ cookie: `sess="${base64(a)}"` }) },
  { route: 'own', headers: () => ({ cookie: 'sess="!!!"' }) },
  { route: 'own', headers: () => ({ cookie: `sess="${message('')}"` }) },
  { route: 'own', headers: () => ({ cookie: `sess="${message(NOBODY)}"` }) },
  { route: 'strict', headers: () => ({ cookie: `sess="${message(NOBODY)}"` }) },
  { route: 'strict', headers: () => ({ cookie: 'sess="!!!"' }) },
  { route: 'header', asked: 1, headers: (a) => ({ 'x-sess': base64(a) }) },
  { route: 'header', asked: 3, headers: (a) => ({ 'x-sess': base64(a) }) },
  { route: 'header', headers: () => ({ 'x-sess': 'not base64' }) },
  { route: 'strict-404', asked: 1, headers: (a) => ({ 'x-sess': base64(a) }) },
  { route: 'strict-404', headers: () => ({ 'x-sess': base64(NOBODY) }) },
  { route: 'strict-404', headers: () => ({ 'x-sess': 'not base64' }) },
  { route: 'lax-404', headers: () => ({ 'x-sess': base64(NOBODY) }) },
];

/** Hosts of the override_host policy that are named, in two headers, and those that fail. */
const named = [
  { first: [5] },
  { first: [3] },
  { first: [2] },
  { first: [], second: [1] },
  { first: [4], second: [1], retries: true, fail: '4' },
  { first: [4, 9, 1, 0], retries: true, fail: '41' },
  { first: [9], second: [9] },
] as const;

describe('sessions side by side with Envoy', { skip: skipWithout('envoy') }, () => {
  let upstreams: Upstreams;
  let envoy: RunningProxy;
  let remora: Sidecar;

  before(async () => {
    upstreams = await startUpstreams();
    const config = (listen: number) =>
      bootstrap([sessions, drainingSessions, overrideHost], upstreams.ports, listen, [
        sessionFilter,
      ]);
    envoy = await startProxy('envoy', findPeer('envoy') ?? '', ({ listen, admin }) =>
      JSON.stringify({
        admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
        ...config(listen),
      }),
    );
    remora = await startSidecar(yamlOf(config(0)));
  });

  after(async () => {
    await envoy?.stop();
    await remora?.stop();
    upstreams?.close();
  });

  const addressOf = (host: number) => `127.0.0.1:${upstreams.ports[host] ?? 9}`;

  /** Addresses replaced by what they are to the answer. */
  function seen({ status, body, headers }: Answer): unknown {
    const cookie = headers['set-cookie']?.[0] ?? '';
    const value = /"(.*)"/.exec(cookie)?.[1] ?? '';
    const told = Buffer.from(value, 'base64');
    const end = 2 + (told[1] ?? 0);
    const header = headers['x-sess'];
    const answering = addressOf(Number(body));
    return {
      status,
      body: status === 200 ? '' : body,
      cookie: cookie.replace(value, ''),
      cookieTellsAnswering: cookie === '' ? null : told.toString('latin1', 2, end) === answering,
      expiresIn: expiresIn(told.subarray(end)),
      headerTellsAnswering: header === undefined ? null : header === base64(answering),
    };
  }

  /** Each request so often that no host is chosen every time by chance. */
  async function observe(port: number, path: string, headers: Record<string, string>, asked = -1) {
    const asked200: unknown[] = [];
    const others = new Map<string, unknown>();
    for (let i = 0; i < TIMES; i++) {
      const answer = await get(port, path, headers);
      const observed = seen(answer);
      if (answer.status === 200 && answer.body === String(asked)) asked200.push(observed);
      else others.set(JSON.stringify(observed), observed);
    }
    const goesThere = asked200.length === TIMES;
    return { goesThere, observed: goesThere ? asked200[0] : [...others.values()] };
  }

  test('go where the client was, and tell it of another host', async () => {
    for (const { cluster = 'sessions', route, asked, headers } of requests) {
      const address = asked === undefined ? '' : addressOf(asked);
      const sent =
        headers?.(address) ?? (asked === undefined ? {} : { cookie: `sess="${message(address)}"` });
      const path = `/${cluster}/${route}`;
      const expected = await observe(envoy.ports.listen, path, sent, asked);
      const actual = await observe(remora.port('ingress'), path, sent, asked);
      assert.deepEqual(actual, expected, `${path} ${JSON.stringify(sent)}`);
    }
    const filter = '/stats?filter=stateful_session';
    const expected = sumsOf(await envoy.admin(filter));
    const actual = sumsOf(await remora.admin(filter));
    // Of a route that was not asked for yet, ours are not there.
    for (const [name, value] of expected) assert.equal(actual.get(name) ?? 0, value, name);
  });

  for (const [i, { first, ...more }] of named.entries()) {
    test(`override_host ${i}: ${JSON.stringify({ first, ...more })}`, async () => {
      const list = (hosts: readonly number[]) => hosts.map(addressOf).join(', ');
      const headers: Record<string, string> = { 'x-fail': 'fail' in more ? more.fail : '' };
      if (first.length > 0) headers['x-host'] = list(first);
      if ('second' in more) headers['x-other'] = list(more.second);
      const path = `/override/${'retries' in more ? 'retry' : 'any'}`;
      const [expected, actual] = await Promise.all([
        get(envoy.ports.listen, path, headers),
        get(remora.port('ingress'), path, headers),
      ]);
      assert.equal(actual.status, expected.status);
      const isNobody = first.length === 1 && first[0] === 9;
      if (!isNobody) assert.equal(actual.body, expected.body);
    });
  }
});

/** The session's host may be chosen by chance, too: only strict sessions know which it was. */
function sumsOf(text: string): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name = '', value] = line.split(': ');
    if (name === '') continue;
    const key = name.includes('strict') ? name : name.replace(/routed|failed_open/, 'with a host');
    sums.set(key, (sums.get(key) ?? 0) + Number(value));
  }
  return sums;
}

/** Seconds from now that a cookie is good for, to two seconds; null = no end. */
function expiresIn(field: Buffer): number | null {
  if (field.length === 0) return null;
  let value = 0;
  for (let i = 1; i < field.length; i++) value += (field[i]! & 0x7f) * 0x80 ** (i - 1);
  const seconds = value - Math.floor(Date.now() / 1000);
  return seconds > 115 && seconds <= 121 ? 120 : Math.max(0, Math.min(seconds, 1));
}
