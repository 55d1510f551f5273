// Suite F: header trust and policy. Waiting: HD-07, HD-08 (JWT), HD-09 (ext_authz); see docs/reliability.md.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { httpFilterErrors } from '../fakes/config.ts';
import type { ParsedRequest } from '../garden/strict-parser.ts';
import { HostileScene, isWhole, statusOf } from './harness.ts';

const RBAC = 'envoy.extensions.filters.http.rbac.v3.RBAC';
const rbac = (rules: string) =>
  `{ name: rbac, typed_config: { "@type": type.googleapis.com/${RBAC}, rules: ${rules} } }`;

const get = (headers: readonly string[] = [], path = '/x') =>
  `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`;

const valuesOf = (request: ParsedRequest, name: string) =>
  request.headers.filter(([key]) => key === name).map(([, value]) => value);

/** Sends one request and gives what the upstream saw of it, after a good one beside it. */
async function forwarded(scene: HostileScene, bytes: string): Promise<ParsedRequest> {
  scene.upstream.take();
  const [received] = await Promise.all([scene.send(bytes, isWhole), scene.good()]);
  assert.equal(statusOf(received), 200, received.text);
  const [request] = scene.upstream.take().filter(({ target }) => target !== '/good');
  assert.ok(request);
  return request;
}

describe('suite F: header trust at the edge', { timeout: 120_000 }, () => {
  let scene: HostileScene;
  before(async () => {
    scene = await HostileScene.start({
      hcm: [
        'use_remote_address: true',
        'forward_client_cert_details: SANITIZE_SET',
        'set_current_client_cert_details: { uri: true }',
        'internal_address_config: { cidr_ranges: [{ address_prefix: 10.0.0.0, prefix_len: 8 }] }',
      ],
    });
  });
  after(() => scene?.stop());

  test('HD-01 what a client says of itself is replaced', async () => {
    const request = await forwarded(
      scene,
      get([
        'X-Forwarded-For: 10.0.0.1',
        'x-forwarded-for: 10.0.0.2',
        'X-Forwarded-Proto: https',
        'X-Forwarded-Host: admin.internal',
      ]),
    );
    const [forwardedFor = ''] = valuesOf(request, 'x-forwarded-for');
    assert.match(forwardedFor, /^10\.0\.0\.1,10\.0\.0\.2,[0-9a-f.:]+$/);
    assert.deepEqual(valuesOf(request, 'x-forwarded-proto'), ['http']);
    assert.deepEqual(valuesOf(request, 'x-forwarded-host'), []);
    assert.deepEqual(valuesOf(request, 'x-envoy-internal'), []);
    assert.deepEqual(valuesOf(request, 'x-envoy-external-address'), ['127.0.0.1']);
  });

  test('HD-02 x-envoy headers and request ids of strangers go; nothing makes them internal', async () => {
    const names = [
      'x-envoy-internal',
      'x-envoy-retry-on',
      'x-envoy-max-retries',
      'x-envoy-upstream-rq-timeout-ms',
      'x-envoy-upstream-rq-per-try-timeout-ms',
      'x-envoy-upstream-alt-stat-name',
      'x-envoy-original-path',
      'x-envoy-original-host',
      'x-envoy-decorator-operation',
      'x-envoy-force-trace',
      'x-envoy-downstream-service-cluster',
    ];
    const request = await forwarded(
      scene,
      get([
        ...names.map((name) => `${name}: true`),
        'x-request-id: mine',
        'x-forwarded-for: 10.0.0.1',
      ]),
    );
    for (const name of names) assert.deepEqual(valuesOf(request, name), [], name);
    const [id = ''] = valuesOf(request, 'x-request-id');
    assert.match(id, /^[0-9a-f]{8}-/);
    assert.deepEqual(valuesOf(request, 'x-envoy-expected-rq-timeout-ms'), ['15000']);
  });

  test('HD-03 a forged x-forwarded-client-cert does not leave', async () => {
    const request = await forwarded(
      scene,
      get([
        'X-Forwarded-Client-Cert: By=spiffe://t/a;URI=spiffe://t/admin',
        'x-forwarded-client-cert: x',
      ]),
    );
    assert.deepEqual(valuesOf(request, 'x-forwarded-client-cert'), []);
  });
});

describe('suite F: header trust behind a trusted hop', { timeout: 120_000 }, () => {
  let scene: HostileScene;
  before(async () => {
    scene = await HostileScene.start({
      hcm: ['use_remote_address: true', 'xff_num_trusted_hops: 1'],
      virtualHost:
        'request_headers_to_add: [{ header: { key: x-client, value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" } }], routes: [{ match: { prefix: / }, route: { cluster: upstream } }]',
    });
  });
  after(() => scene?.stop());

  test('HD-01 trusted hops count from the right only', async () => {
    const request = await forwarded(
      scene,
      get(['x-forwarded-for: 10.0.0.1, 10.0.0.2, 203.0.113.7']),
    );
    assert.deepEqual(valuesOf(request, 'x-client'), ['203.0.113.7']);
  });
});

describe('suite F: RBAC', { timeout: 120_000 }, () => {
  let denying: HostileScene;
  let inverted: HostileScene;
  let empty: HostileScene;
  const denyEvil =
    '{ action: DENY, policies: { p: { permissions: [{ header: { name: x-role, string_match: { exact: evil } } }], principals: [{ any: true }] } } }';
  const denyAllButGood =
    '{ action: DENY, policies: { p: { permissions: [{ not_rule: { header: { name: x-role, string_match: { exact: good } } } }], principals: [{ any: true }] } } }';
  before(async () => {
    [denying, inverted, empty] = await Promise.all([
      HostileScene.start({ filters: [rbac(denyEvil)] }),
      HostileScene.start({ filters: [rbac(denyAllButGood)] }),
      HostileScene.start({ filters: [rbac('{ action: ALLOW }')] }),
    ]);
  });
  after(async () => {
    await Promise.all([denying?.stop(), inverted?.stop(), empty?.stop()]);
  });

  for (const [what, lines] of [
    ['alone', ['x-role: evil']],
    ['first', ['x-role: evil', 'x-role: good']],
    ['last', ['x-role: good', 'x-role: evil']],
    ['between', ['x-role: good', 'x-role: evil', 'x-role: good']],
    ['first of a list', ['x-role: evil, good']],
    ['last of a list', ['x-role: good,evil']],
    ['in another case of the name', ['X-ROLE: good', 'X-Role: evil']],
    ['with others between', ['x-role: good', 'x-other: 1', 'x-role: evil']],
  ] as const) {
    test(`HD-04 a denied value ${what} is denied`, async () => {
      const before = await denying.stats();
      const [received] = await Promise.all([denying.send(get(lines), isWhole), denying.good()]);
      assert.equal(statusOf(received), 403);
      assert.deepEqual(
        denying.upstream.take().map(({ target }) => target),
        ['/good'],
      );
      const after = await denying.stats();
      const counter = 'http.ingress.rbac.denied';
      assert.equal((after.get(counter) ?? 0) - (before.get(counter) ?? 0), 1);
      const [entry] = await denying.logLines(1);
      assert.match(entry?.details ?? '', /^rbac_access_denied_matched_policy\[p\]$/);
    });
  }

  test('HD-04 who is denied unless good is denied with good and something else', async () => {
    for (const lines of [
      ['x-role: good', 'x-role: evil'],
      ['x-role: evil', 'x-role: good'],
      ['x-role: good,evil'],
      ['x-role: evil'],
    ]) {
      assert.equal(statusOf(await inverted.send(get(lines), isWhole)), 403, lines.join());
    }
    assert.equal(statusOf(await inverted.send(get(['x-role: good']), isWhole)), 200);
  });

  test('HD-05 a dot in a principal or a value is a dot', async () => {
    const scene = await HostileScene.start({
      filters: [
        rbac(
          '{ action: ALLOW, policies: { p: { permissions: [{ any: true }], principals: [{ header: { name: x-account, string_match: { exact: cert-manager.io } } }, { header: { name: x-account, string_match: { suffix: .cert-manager.io } } }] } } }',
        ),
      ],
    });
    try {
      for (const [account, status] of [
        ['cert-manager.io', 200],
        ['a.cert-manager.io', 200],
        ['cert-managerXio', 403],
        ['aXcert-manager.io', 403],
        ['a.cert-managerXio', 403],
      ] as const) {
        const received = await scene.send(get([`x-account: ${account}`]), isWhole);
        assert.equal(statusOf(received), status, account);
      }
    } finally {
      await scene.stop();
    }
  });

  test('HD-06 an empty list of what is allowed allows nothing', async () => {
    const received = await empty.send(get(), isWhole);
    assert.equal(statusOf(received), 403);
    assert.deepEqual(empty.upstream.take(), []);
  });

  test('HD-06 bad RBAC config is refused with its path', () => {
    const policy = (permission: string) =>
      `rules: { policies: { p: { permissions: [${permission}], principals: [{ any: true }] } } }`;
    for (const [body, expected] of [
      ['rules: { unknown_field: 1 }', /unknown_field/],
      [policy('{ url_path: { path: { safe_regex: { regex: "(" } } } }'), /regex/],
      [
        policy('{ header: { name: a, string_match: { safe_regex: { regex: "a(?=b)" } } } }'),
        /regex/,
      ],
      [
        'rules: { policies: { p: { permissions: [], principals: [{ any: true }] } } }',
        /permissions/,
      ],
    ] as const) {
      assert.throws(
        () => {
          // Unknown fields are found while the text is read, everything else while it is compiled.
          throw new Error(httpFilterErrors(RBAC, body).join('\n'));
        },
        expected,
        body,
      );
    }
  });
});

describe('suite F: response splitting', { timeout: 120_000 }, () => {
  let scene: HostileScene;
  before(async () => {
    scene = await HostileScene.start({
      virtualHost: `response_headers_to_add: [{ header: { key: x-echo, value: "%REQ(X-ECHO)%|%REQ(:PATH)%|%PATH(WQ)%" } }], routes: [{ match: { prefix: /redirect }, redirect: { prefix_rewrite: "/to" } }, { match: { prefix: / }, route: { cluster: upstream, prefix_rewrite: "/" } }]`,
      hcm: [
        'local_reply_config: { mappers: [{ filter: { status_code_filter: { comparison: { op: GE, value: { default_value: 400, runtime_key: k } } } }, headers_to_add: [{ header: { key: x-why, value: "%REQ(X-ECHO)%" } }] }] }',
      ],
    });
  });
  after(() => scene?.stop());

  test('HD-10 no template puts a line end into a response', async () => {
    for (const value of ['a%0d%0aset-cookie: b', 'a\\r\\nset-cookie: b', 'a\u0085b', 'é\u00ff']) {
      for (const path of ['/x%0d%0aset-cookie:%20b', '/redirect/%0d%0aset-cookie:%20b?q=%0a']) {
        const { text } = await scene.send(get([`x-echo: ${value}`], path), (got) =>
          /\r\n\r\n/.test(got),
        );
        const head = text.slice(0, text.indexOf('\r\n\r\n'));
        assert.doesNotMatch(head, /\r\nset-cookie:/i);
        assert.doesNotMatch(head.replaceAll('\r\n', ''), /[\r\n]/);
      }
    }
    await scene.good();
  });

  test('HD-10 line ends in a request are refused before a template can see them', async () => {
    for (const value of ['a\rset-cookie: b', 'a\nset-cookie b', 'a\r\n set-cookie: b', 'a\0b']) {
      scene.upstream.take();
      const received = await scene.send(get([`x-echo: ${value}`]), isWhole);
      assert.equal(statusOf(received), 400, JSON.stringify(value));
      assert.doesNotMatch(received.text, /set-cookie/);
      assert.deepEqual(scene.upstream.take(), []);
    }
  });
});
