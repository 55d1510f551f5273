// Scenarios: requests that go to more than one place. Mirrors, redirects that are followed inside, hedged tries.

import {
  type Action,
  type Answer,
  always,
  type Fragment,
  hang,
  http2Upstream,
  inTurn,
  ok,
  type Scenario,
  type Scene,
  type Topic,
} from '../scenario.ts';

/** What each host saw; in which order hosts come is chance. */
function noteTries(scene: Scene, ...headers: readonly string[]): void {
  const seen: Record<string, unknown[]> = {};
  for (const one of scene.tries) {
    const named = headers.map((name) => one.headers[name] ?? null);
    seen[one.host] ??= [];
    seen[one.host]?.push([one.method, one.path, one.body, ...named]);
  }
  scene.note('seen', seen);
}

/** Copies are answered behind the client's back. */
function untilAnswered(scene: Scene, copies: number): Promise<void> {
  const filter = encodeURIComponent(
    `^cluster\\.${scene.text('@mirror@')}\\.upstream_rq_completed$`,
  );
  return scene.until(`${copies} copies answered`, async () => {
    const text = await scene.proxy.admin(`/stats?filter=${filter}`);
    return Number(/: (\d+)/.exec(text)?.[1] ?? 0) >= copies;
  });
}

const MIRRORED = ['host', 'x-forwarded-for', 'x-envoy-internal', 'x-envoy-expected-rq-timeout-ms'];

interface Mirroring extends Partial<Scenario> {
  readonly policies: readonly Fragment[];
  /** Of the mirror's host. */
  readonly mirror?: Action;
  readonly method?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Copies that arrive; default 1. */
  readonly copies?: number;
}

function mirroring(name: string, options: Mirroring): Scenario {
  const { policies, mirror = ok, method, body, headers, copies = 1, ...more } = options;
  return {
    name,
    hosts: [always(ok)],
    clusters: { mirror: { hosts: [always(mirror)] } },
    route: { timeout: '0.5s', request_mirror_policies: policies },
    drive: async (scene) => {
      const outgoing = {
        path: '/p?q',
        headers: { host: 'a.com:81', ...headers },
        ...(method === undefined ? {} : { method }),
        ...(body === undefined ? {} : { body }),
      };
      await scene.send(outgoing);
      await scene.untilTries(1 + copies);
      await untilAnswered(scene, copies);
      noteTries(scene, ...MIRRORED, 'added', 'gone');
    },
    // Main and copy set out together.
    requests: 'any',
    picks: { within: 0 },
    ...more,
  };
}

const mirrors: readonly Scenario[] = [
  mirroring('a mirror gets a copy, marked in its host', { policies: [{ cluster: '@mirror@' }] }),
  mirroring('a mirror gets the body', {
    policies: [{ cluster: '@mirror@' }],
    method: 'POST',
    body: 'some body',
  }),
  mirroring('what a mirror answers is nobody’s business but its cluster’s', {
    policies: [{ cluster: '@mirror@' }],
    mirror: { status: 503 },
  }),
  mirroring('a mirror that hangs has the route’s timeout, and holds up nobody', {
    policies: [{ cluster: '@mirror@' }],
    mirror: hang,
  }),
  mirroring('a mirror that resets costs nothing', {
    policies: [{ cluster: '@mirror@' }],
    mirror: { reset: 'before headers' },
  }),
  mirroring('a policy may change host and headers of the copy', {
    policies: [
      {
        cluster: '@mirror@',
        host_rewrite_literal: 'copy.com',
        request_headers_mutations: [
          { append: { header: { key: 'added', value: 'by %REQ(x-by)%' } } },
          { remove: 'gone' },
        ],
      },
    ],
    headers: { 'x-by': 'me', gone: 'x' },
  }),
  mirroring('a header may name the mirror, and the host may stay', {
    policies: [{ cluster_header: 'x-mirror', disable_shadow_host_suffix_append: true }],
    headers: { 'x-mirror': '@mirror@' },
  }),
  mirroring('two policies make two copies', {
    policies: [{ cluster: '@mirror@' }, { cluster: '@mirror@' }],
    copies: 2,
  }),
  mirroring('no copy at 0 percent, or for a cluster that is not there', {
    policies: [
      { cluster: '@mirror@', runtime_fraction: { default_value: { numerator: 0 } } },
      { cluster_header: 'x-mirror' },
    ],
    headers: { 'x-mirror': 'none' },
    copies: 0,
  }),
  mirroring('a virtual host’s mirrors hold where a route has none', {
    policies: [],
    virtualHost: { request_mirror_policies: [{ cluster: '@mirror@' }] },
  }),
  mirroring('a cluster’s mirrors go before a route’s', {
    policies: [{ cluster: '@main@' }],
    cluster: {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          explicit_http_config: { http_protocol_options: {} },
          request_mirror_policies: [{ cluster: '@mirror@' }],
        },
      },
    },
  }),
];

/** Route `from` answers with the redirect, route `to` leads to the other cluster. */
function redirecting(
  name: string,
  policy: Fragment,
  response: { readonly status?: number; readonly location: string },
  more: Partial<Scenario> & {
    readonly method?: string;
    readonly body?: string;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Scenario {
  const { status = 302, location } = response;
  const { method, body, headers, ...rest } = more;
  const answer = { status, headers: { location, copied: 'theirs' }, body: 'moved' };
  const route = (prefix: string, cluster: string) => ({
    name: prefix,
    match: { prefix: `/${prefix}` },
    route: { cluster, internal_redirect_policy: policy },
  });
  return {
    name,
    hosts: [always(answer)],
    clusters: { target: { hosts: [always(ok)] } },
    virtualHost: { routes: [route('from', '@main@'), route('to', '@target@')] },
    drive: async (scene) => {
      await scene.send({
        path: '/from',
        headers: { host: 'a.com', ...headers },
        ...(method === undefined ? {} : { method }),
        ...(body === undefined ? {} : { body }),
      });
      noteTries(scene, 'host', 'x-envoy-original-url', 'copied');
    },
    picks: 'exact',
    ...rest,
  };
}

const predicate = (name: string, fields: Fragment = {}): Fragment => ({
  name,
  typed_config: {
    '@type': `type.googleapis.com/envoy.extensions.internal_redirect.${name}`,
    ...fields,
  },
});

const redirects: readonly Scenario[] = [
  redirecting('a redirect is followed inside', {}, { location: 'http://b.com/to?x#y' }),
  redirecting(
    'the body of a 307 goes along',
    { redirect_response_codes: [307] },
    {
      status: 307,
      location: 'http://a.com/to',
    },
    { method: 'POST', body: 'some body' },
  ),
  redirecting(
    'a 303 becomes a GET',
    { redirect_response_codes: [303] },
    {
      status: 303,
      location: 'http://a.com/to',
    },
    { method: 'POST', body: 'some body' },
  ),
  redirecting('other codes are the client’s', {}, { status: 301, location: 'http://a.com/to' }),
  redirecting('a relative Location is the client’s', {}, { location: '/to' }),
  redirecting('a redirect to nowhere is the client’s', {}, { location: 'http://a.com/none' }),
  redirecting('another scheme is the client’s', {}, { location: 'https://a.com/to' }),
  redirecting(
    'another scheme may be allowed',
    { allow_cross_scheme_redirect: true },
    {
      location: 'https://a.com/to',
    },
  ),
  redirecting(
    'no more redirects than allowed',
    { max_internal_redirects: 2 },
    {
      location: 'http://a.com/from/again',
    },
  ),
  redirecting(
    'headers of the response go along',
    { response_headers_to_copy: ['copied'] },
    {
      location: 'http://a.com/to',
    },
    { headers: { copied: 'mine' } },
  ),
  redirecting(
    'allow_listed_routes lets a listed route pass',
    {
      predicates: [
        predicate('allow_listed_routes.v3.AllowListedRoutesConfig', {
          allowed_route_names: ['to'],
        }),
      ],
    },
    { location: 'http://a.com/to' },
  ),
  redirecting(
    'allow_listed_routes lets no other pass',
    {
      predicates: [
        predicate('allow_listed_routes.v3.AllowListedRoutesConfig', { allowed_route_names: ['x'] }),
      ],
    },
    { location: 'http://a.com/to' },
  ),
  redirecting(
    'previous_routes stops a circle',
    {
      max_internal_redirects: 5,
      predicates: [predicate('previous_routes.v3.PreviousRoutesConfig')],
    },
    { location: 'http://a.com/from/again' },
  ),
  redirecting(
    'safe_cross_scheme lets nobody from http to https',
    {
      allow_cross_scheme_redirect: true,
      predicates: [predicate('safe_cross_scheme.v3.SafeCrossSchemeConfig')],
    },
    { location: 'https://a.com/to' },
  ),
];

interface Hedging extends Partial<Scenario> {
  /** Of the retry policy. */
  readonly policy?: Fragment;
  readonly headers?: Readonly<Record<string, string>>;
  /** While the request is under way. */
  readonly meanwhile?: (scene: Scene) => Promise<void>;
}

/** One host; its requests are the tries. Each has 600 ms, so that what is to happen within them does on a busy machine. */
function hedging(name: string, actions: readonly Action[], options: Hedging = {}): Scenario {
  const { policy = {}, headers = {}, meanwhile, ...more } = options;
  return {
    name,
    hosts: [inTurn(actions)],
    route: {
      timeout: '5s',
      hedge_policy: { hedge_on_per_try_timeout: true },
      retry_policy: retryOnTimeout(policy),
    },
    drive: async (scene) => {
      const answered = scene.send({ headers });
      await meanwhile?.(scene);
      await answered;
    },
    picks: 'exact',
    ...more,
  };
}

function retryOnTimeout(policy: Fragment = {}): Fragment {
  return {
    retry_on: '5xx',
    num_retries: 1,
    per_try_timeout: '0.6s',
    retry_back_off: { base_interval: '0.001s', max_interval: '0.001s' },
    ...policy,
  };
}

/** The try that hangs answers once the second one is there. */
function thenFirst(answer: Answer) {
  return async (scene: Scene): Promise<void> => {
    await scene.untilTries(2);
    scene.release(answer);
  };
}

/** The try that hangs answers once no retries are left. */
async function whenSpent(scene: Scene): Promise<void> {
  await scene.untilStat('upstream_rq_retry_limit_exceeded', (count) => count > 0);
  scene.release(ok);
}

const slow: Answer = { ...ok, afterMs: 3000 };

const hedges: readonly Scenario[] = [
  hedging('the second try wins', [hang, ok]),
  hedging('the first try wins after all', [hang, slow], { meanwhile: thenFirst(ok) }),
  hedging('a bad second answer waits for the first', [hang, { status: 503 }], {
    meanwhile: whenSpent,
  }),
  hedging('a bad first answer waits for the second', [hang, { ...ok, afterMs: 300 }], {
    meanwhile: thenFirst({ status: 503 }),
  }),
  hedging('an answer that nobody would retry wins', [hang, slow], {
    meanwhile: thenFirst({ status: 404 }),
  }),
  hedging('a reset waits for the other try', [hang, { reset: 'before headers' }], {
    meanwhile: whenSpent,
  }),
  hedging('the whole time ends all tries', [hang], {
    route: {
      timeout: '2s',
      hedge_policy: { hedge_on_per_try_timeout: true },
      retry_policy: retryOnTimeout({ num_retries: 2, per_try_timeout: '0.3s' }),
    },
  }),
  hedging('no retries left: the try merely goes on', [hang], {
    policy: { num_retries: 0 },
    meanwhile: whenSpent,
  }),
  hedging('whatever retry_on says', [hang, ok], { policy: { retry_on: 'connect-failure' } }),
  hedging('the header switches it off', [hang, ok], {
    headers: { 'x-envoy-hedge-on-per-try-timeout': 'false' },
  }),
  hedging('a virtual host says it for its routes', [hang, ok], {
    route: { timeout: '5s', retry_policy: retryOnTimeout() },
    virtualHost: { hedge_policy: { hedge_on_per_try_timeout: true } },
  }),
];

/** The same over HTTP/2, on both sides. */
const overHttp2: readonly Scenario[] = [
  {
    name: 'a mirror gets body and all over HTTP/2',
    hosts: [always(ok, { kind: 'http2' })],
    cluster: http2Upstream,
    clusters: {
      mirror: { hosts: [always({ status: 404 }, { kind: 'http2' })], cluster: http2Upstream },
    },
    route: { request_mirror_policies: [{ cluster: '@mirror@' }] },
    drive: async (scene) => {
      await scene.send({ method: 'POST', body: 'some body', over: 'http2' });
      await scene.untilTries(2);
      await untilAnswered(scene, 1);
      noteTries(scene, ':authority', 'x-envoy-internal');
    },
    requests: 'any',
    picks: { within: 0 },
  },
  {
    name: 'redirects are followed stream by stream',
    hosts: [
      always(
        { status: 307, headers: { location: 'http://a.com/to' }, body: 'moved' },
        { kind: 'http2' },
      ),
    ],
    cluster: http2Upstream,
    virtualHost: {
      routes: [
        {
          match: { prefix: '/from' },
          route: {
            cluster: '@main@',
            internal_redirect_policy: { redirect_response_codes: [307] },
          },
        },
        { match: { prefix: '/to' }, direct_response: { status: 200 } },
      ],
    },
    drive: async (scene) => {
      await scene.send({ path: '/from', method: 'POST', body: 'x', count: 3, over: 'http2' });
    },
    picks: 'exact',
  },
  {
    name: 'the stream of the try that lost is reset',
    hosts: [inTurn([hang, ok], { kind: 'http2' })],
    cluster: http2Upstream,
    route: {
      hedge_policy: { hedge_on_per_try_timeout: true },
      retry_policy: retryOnTimeout(),
    },
    drive: async (scene) => {
      await scene.send({ over: 'http2' });
    },
    picks: 'exact',
  },
];

export const mirroringTopic: Topic = { name: 'mirrors', scenarios: mirrors };
export const redirectingTopic: Topic = { name: 'internal redirects', scenarios: redirects };
export const hedgingTopic: Topic = { name: 'hedging', scenarios: hedges };
export const overHttp2Topic: Topic = { name: 'the same over HTTP/2', scenarios: overHttp2 };
