import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeConnection, fakeTls } from '../../../../test/fakes/connection.ts';
import { fakeFilterContext, fakeRoute, HcmScenario } from '../../../../test/fakes/hcm.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import type { StringMatcherData } from '../../../api/matcher-data.ts';
import type { Route } from '../../../api/route.ts';
import { takeSnapshot } from '../../../stats/snapshot.ts';
import { HolderStore } from '../../../stats/store.ts';
import type {
  RbacPermissionData,
  RbacPolicyData,
  RbacPrincipalData,
  RbacRulesData,
} from '../../_shared/rbac/data.ts';
import type { RbacData } from './data.ts';
import { rbac } from './filter.ts';

const exact = (value: string): StringMatcherData => ({ kind: 'exact', value, ignoreCase: false });
const prefix = (value: string): StringMatcherData => ({ kind: 'prefix', value, ignoreCase: false });
const anyone: RbacPrincipalData = { kind: 'any' };
const anything: RbacPermissionData = { kind: 'any' };

function policy(
  permission: RbacPermissionData,
  principal: RbacPrincipalData,
  name = 'p q',
): RbacPolicyData {
  return { name, permissions: [permission], principals: [principal] };
}

function data(rules: RbacRulesData | null, more: Partial<RbacData> = {}): RbacData {
  return {
    rules,
    shadowRules: null,
    rulesStatPrefix: '',
    shadowRulesStatPrefix: '',
    trackPerRuleStats: false,
    ...more,
  };
}

function scenario(config: RbacData, connection = new FakeConnection(), route?: Route): HcmScenario {
  const store = new HolderStore();
  const timers = new FakeTimers();
  return new HcmScenario({
    store,
    timers,
    connection,
    ...(route === undefined ? {} : { route }),
    realFilters: [
      {
        name: 'rbac',
        disabled: false,
        config: rbac.create(config, fakeFilterContext({ store, timers })),
      },
    ],
  });
}

/** Whether one request with these facts reaches the router. */
function passes(
  permission: RbacPermissionData,
  principal: RbacPrincipalData,
  connection = new FakeConnection(),
  path = '/a/b?q',
): boolean {
  const subject = scenario(
    data({ action: 'ALLOW', policies: [policy(permission, principal)] }),
    connection,
  );
  subject.get(path, 'x-user: me\r\nx-forwarded-for: 8.8.8.8\r\n');
  return subject.journal.includes('router.decodeHeaders end');
}

test('each permission', () => {
  const connection = new FakeConnection();
  connection.requestedServerName = 'orders.mesh';
  const header = (value: string): RbacPermissionData => ({
    kind: 'header',
    header: {
      name: 'x-user',
      match: { kind: 'string', matcher: exact(value) },
      invert: false,
      treatMissingAsEmpty: false,
    },
  });
  const no: RbacPermissionData = { kind: 'not', rule: anything };
  const table: [RbacPermissionData, boolean][] = [
    [anything, true],
    [no, false],
    [{ kind: 'and', rules: [anything, no] }, false],
    [{ kind: 'and', rules: [anything, anything] }, true],
    [{ kind: 'or', rules: [no, anything] }, true],
    [{ kind: 'or', rules: [no, no] }, false],
    [header('me'), true],
    [header('you'), false],
    [{ kind: 'url_path', path: exact('/a/b') }, true],
    [{ kind: 'url_path', path: exact('/a/b?q') }, false],
    [{ kind: 'url_path', path: prefix('/a/') }, true],
    [{ kind: 'destination_ip', cidr: '10.9.0.0/16' }, true],
    [{ kind: 'destination_ip', cidr: '10.8.0.0/16' }, false],
    [{ kind: 'destination_port', port: 8080 }, true],
    [{ kind: 'destination_port', port: 8081 }, false],
    [{ kind: 'destination_port_range', start: 8080, end: 8081 }, true],
    [{ kind: 'destination_port_range', start: 8000, end: 8080 }, false],
    [{ kind: 'requested_server_name', matcher: exact('orders.mesh') }, true],
    [{ kind: 'requested_server_name', matcher: exact('x') }, false],
  ];
  for (const [permission, expected] of table) {
    assert.equal(passes(permission, anyone, connection), expected, JSON.stringify(permission));
  }
});

test('each principal', () => {
  const no: RbacPrincipalData = { kind: 'not', id: anyone };
  const table: [RbacPrincipalData, boolean][] = [
    [anyone, true],
    [no, false],
    [{ kind: 'and', ids: [anyone, no] }, false],
    [{ kind: 'or', ids: [no, anyone] }, true],
    [{ kind: 'direct_remote_ip', cidr: '10.1.0.0/16' }, true],
    [{ kind: 'source_ip', cidr: '10.1.0.0/16' }, true],
    [{ kind: 'remote_ip', cidr: '10.1.0.0/16' }, false],
    [{ kind: 'remote_ip', cidr: '8.8.8.8/32' }, true],
    [{ kind: 'direct_remote_ip', cidr: '8.8.8.8/32' }, false],
    [{ kind: 'url_path', path: exact('/a/b') }, true],
    [
      {
        kind: 'header',
        header: {
          name: 'x-user',
          match: { kind: 'present', present: true },
          invert: true,
          treatMissingAsEmpty: false,
        },
      },
      false,
    ],
  ];
  for (const [principal, expected] of table) {
    assert.equal(passes(anything, principal), expected, JSON.stringify(principal));
  }
});

test('authenticated principals by SPIFFE id, DNS SAN or subject; never without TLS', () => {
  const id = 'spiffe://t/ns/shop/sa/frontend';
  const is = (name: string): RbacPrincipalData => ({
    kind: 'authenticated',
    principalName: exact(name),
  });
  const peer = new FakeConnection();
  peer.tls = fakeTls({
    uriSanPeerCertificate: ['spiffe://t/other', id],
    dnsSansPeerCertificate: ['front.example'],
    subjectPeerCertificate: 'CN=front',
  });
  const table: [RbacPrincipalData, FakeConnection, boolean][] = [
    [is(id), peer, true],
    [is('spiffe://t/ns/shop/sa/frontend2'), peer, false],
    [is('front.example'), peer, true],
    [is('CN=front'), peer, true],
    [is(''), peer, false],
    [{ kind: 'authenticated', principalName: null }, peer, true],
    [is(id), new FakeConnection(), false],
    [is(''), new FakeConnection(), false],
    [{ kind: 'authenticated', principalName: null }, new FakeConnection(), false],
  ];
  for (const [principal, connection, expected] of table) {
    assert.equal(
      passes(anything, principal, connection),
      expected,
      `${JSON.stringify(principal)} tls=${connection.tls !== null}`,
    );
  }
});

test('actions: what matches is allowed, denied or only noted', () => {
  const matching = policy({ kind: 'url_path', path: prefix('/yes') }, anyone);
  const table: [RbacRulesData, string, boolean][] = [
    [{ action: 'ALLOW', policies: [matching] }, '/yes', true],
    [{ action: 'ALLOW', policies: [matching] }, '/no', false],
    [{ action: 'ALLOW', policies: [] }, '/yes', false],
    [{ action: 'DENY', policies: [matching] }, '/yes', false],
    [{ action: 'DENY', policies: [matching] }, '/no', true],
    [{ action: 'DENY', policies: [] }, '/no', true],
    [{ action: 'LOG', policies: [matching] }, '/yes', true],
    [{ action: 'LOG', policies: [matching] }, '/no', true],
  ];
  for (const [rules, path, expected] of table) {
    const subject = scenario(data(rules));
    subject.get(path);
    assert.equal(
      subject.journal.includes('router.decodeHeaders end'),
      expected,
      `${rules.action} ${path}`,
    );
  }
});

test('a denial is 403 with the policy in its details, and counted', () => {
  const denied = scenario(data({ action: 'DENY', policies: [policy(anything, anyone)] }));
  denied.get();
  assert.match(denied.connection.written, /^HTTP\/1.1 403 Forbidden\r\n/);
  assert.match(denied.connection.written, /\r\n\r\nRBAC: access denied$/);
  assert.equal(denied.logs[0]?.details, 'rbac_access_denied_matched_policy[p_q]');
  assert.equal(denied.stat('http.test.rbac.denied'), 1);
  assert.equal(denied.connection.isOpen(), true);
  const unmatched = scenario(data({ action: 'ALLOW', policies: [] }));
  unmatched.get();
  assert.equal(unmatched.logs[0]?.details, 'rbac_access_denied_matched_policy[none]');
  const allowed = scenario(data({ action: 'DENY', policies: [] }));
  allowed.get();
  assert.equal(allowed.stat('http.test.rbac.allowed'), 1);
});

test('shadow rules are judged, counted and noted but never refuse', () => {
  const subject = scenario(
    data(
      { action: 'ALLOW', policies: [policy(anything, anyone)] },
      {
        shadowRules: { action: 'DENY', policies: [policy(anything, anyone, 'sh')] },
        shadowRulesStatPrefix: 'sp_',
      },
    ),
  );
  subject.get();
  assert.equal(subject.stat('http.test.rbac.allowed'), 1);
  assert.equal(subject.stat('http.test.rbac.sp_.shadow_denied'), 1);
  assert.deepEqual(subject.router.streamInfo.dynamicMetadata, {
    'envoy.filters.http.rbac': {
      sp_shadow_effective_policy_id: 'sh',
      sp_shadow_engine_result: 'denied',
      enforced_effective_policy_id: 'p q',
      enforced_engine_result: 'allowed',
    },
  });
});

test('the LOG action leaves a hint for access logs', () => {
  for (const [path, hint] of [
    ['/yes', true],
    ['/no', false],
  ] as const) {
    const subject = scenario(
      data({
        action: 'LOG',
        policies: [policy({ kind: 'url_path', path: exact('/yes') }, anyone)],
      }),
    );
    subject.get(path);
    assert.deepEqual(subject.router.streamInfo.dynamicMetadata?.['envoy.common'], {
      access_log_hint: hint,
    });
  }
});

test('a route brings its own rules or switches the filter off', () => {
  const denyAll: RbacRulesData = { action: 'DENY', policies: [policy(anything, anyone)] };
  const withRoute = (perRoute: RbacData | null) =>
    fakeRoute({ perFilterConfig: () => rbac.createRouteConfig!(perRoute) });
  const off = scenario(data(denyAll), new FakeConnection(), withRoute(null));
  off.get();
  assert.ok(off.journal.includes('router.decodeHeaders end'));
  const own = scenario(
    data({ action: 'DENY', policies: [] }),
    new FakeConnection(),
    withRoute(data(denyAll)),
  );
  own.get();
  assert.equal(own.logs[0]?.code, 403);
});

test('per-rule stats hang below their policy, with labels for Prometheus', () => {
  const subject = scenario(
    data(
      { action: 'DENY', policies: [policy(anything, anyone)] },
      { trackPerRuleStats: true, rulesStatPrefix: 'rp' },
    ),
  );
  subject.get();
  const entry = takeSnapshot(subject.store).find(
    ({ name }) => name === 'http.test.rbac.rp.policy.p q.denied',
  );
  assert.equal(entry?.value, 1);
  assert.equal(entry?.promName, 'envoy_http_rbac_policy_denied');
  assert.deepEqual(entry?.labels, {
    envoy_http_conn_manager_prefix: 'test',
    envoy_rbac_http_prefix: 'rp',
    envoy_rbac_policy_name: 'p q',
  });
});
