import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { httpFilterData, httpFilterErrors } from '../../../../test/fakes/config.ts';
import type { RbacData } from './data.ts';

const TYPE = 'envoy.extensions.filters.http.rbac.v3.RBAC';

const policy = (permission: string, principal: string): string =>
  `rules: {policies: {p: {permissions: [${permission}], principals: [${principal}]}}}`;

describe('the config half of envoy.filters.http.rbac', () => {
  it('orders policies by name and keeps both sets of rules', () => {
    const data = httpFilterData(
      TYPE,
      `rules: {policies: {b: {permissions: [{any: true}], principals: [{any: true}]}, a: {permissions: [{any: true}], principals: [{any: true}]}}}, shadow_rules: {action: DENY}, shadow_rules_stat_prefix: s.`,
    ) as RbacData; // that type's data
    assert.deepEqual(
      data.rules?.policies.map(({ name }) => name),
      ['a', 'b'],
    );
    assert.equal(data.rules?.action, 'ALLOW');
    assert.deepEqual(data.shadowRules, { action: 'DENY', policies: [] });
    assert.equal(data.shadowRulesStatPrefix, 's.');
  });

  it('compiles every kind of permission and principal that it has', () => {
    const data = httpFilterData(
      TYPE,
      policy(
        '{and_rules: {rules: [{header: {name: ":method", string_match: {exact: GET}}}, {not_rule: {url_path: {path: {prefix: /x}}}}]}}, {or_rules: {rules: [{destination_port: 80}, {destination_port_range: {start: 1, end: 5}}]}}, {destination_ip: {address_prefix: 10.0.0.0, prefix_len: 8}}, {requested_server_name: {suffix: .com}}',
        '{and_ids: {ids: [{authenticated: {principal_name: {exact: "spiffe://a"}}}, {not_id: {authenticated: {}}}]}}, {or_ids: {ids: [{direct_remote_ip: {address_prefix: "::1", prefix_len: 128}}, {remote_ip: {address_prefix: 1.2.3.4, prefix_len: 32}}]}}, {source_ip: {address_prefix: 0.0.0.0}}',
      ),
    ) as RbacData; // that type's data
    const kinds = (items: readonly { readonly kind: string }[] | undefined) =>
      items?.map(({ kind }) => kind);
    const first = data.rules?.policies[0];
    assert.deepEqual(kinds(first?.permissions), [
      'and',
      'or',
      'destination_ip',
      'requested_server_name',
    ]);
    assert.deepEqual(kinds(first?.principals), ['and', 'or', 'source_ip']);
    assert.deepEqual(first?.principals[0], {
      kind: 'and',
      ids: [
        {
          kind: 'authenticated',
          principalName: { kind: 'exact', value: 'spiffe://a', ignoreCase: false },
        },
        { kind: 'not', id: { kind: 'authenticated', principalName: null } },
      ],
    });
    assert.deepEqual(first?.principals[2], { kind: 'source_ip', cidr: '0.0.0.0/0' });
  });

  it('refuses what it cannot decide, by name', () => {
    assert.deepEqual(
      httpFilterErrors(
        TYPE,
        policy(
          '{metadata: {filter: f, path: [{key: k}], value: {present_match: true}}}',
          '{any: true}',
        ),
      ),
      ['rules.policies["p"].permissions[0].metadata: not supported yet'],
    );
    assert.deepEqual(httpFilterErrors(TYPE, 'matcher: {}').at(-1), 'matcher: not supported yet');
  });

  it('refuses an empty port range', () => {
    assert.deepEqual(
      httpFilterErrors(TYPE, policy('{destination_port_range: {start: 5, end: 5}}', '{any: true}')),
      ['rules.policies["p"].permissions[0].destination_port_range: start must be less than end'],
    );
  });
});
