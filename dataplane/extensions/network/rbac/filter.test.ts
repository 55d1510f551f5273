import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFilterData, readFilterErrors } from '../../../../test/fakes/config.ts';
import { FakeConnection } from '../../../../test/fakes/connection.ts';
import { NetworkFilterScenario } from '../../../../test/fakes/network-filter.ts';
import { NetworkFilterStatus } from '../../../api/network-filter.ts';
import { networkRbacFilterFactory } from './filter.ts';

const { Continue, StopIteration } = NetworkFilterStatus;
const TYPE = 'envoy.extensions.filters.network.rbac.v3.RBAC';
const anyone = 'permissions: [{any: true}], principals: [{any: true}]';
const from = (cidr: string) =>
  `permissions: [{any: true}], principals: [{direct_remote_ip: {address_prefix: ${cidr}, prefix_len: 8}}]`;

const scenario = (body: string) =>
  new NetworkFilterScenario(
    networkRbacFilterFactory,
    readFilterData(TYPE, `stat_prefix: rb., ${body}`),
  );

test('judges at the first bytes: what is denied is closed, with the policy in its details', () => {
  const subject = scenario(`rules: {action: DENY, policies: {"no one": {${anyone}}}}`);
  const { connection, filter, streamInfo } = subject.open();
  assert.equal(filter.onNewConnection(), Continue);
  assert.equal(connection.isOpen(), true);
  assert.equal(filter.onData(Buffer.from('x'), false), StopIteration);
  assert.equal(connection.isOpen(), false);
  assert.equal(
    streamInfo.connectionTerminationDetails,
    'rbac_access_denied_matched_policy[no_one]',
  );
  assert.equal(streamInfo.downstreamLocalCloseReason, 'rbac_deny_close');
  assert.equal(subject.stat('rb.rbac.denied'), 1);
  assert.equal(subject.stat('rb.rbac.allowed'), 0);
});

test('what is allowed passes, and is judged once', () => {
  const subject = scenario(`rules: {policies: {p: {${from('10.0.0.0')}}}}`);
  const { filter } = subject.open();
  for (let i = 0; i < 3; i++) assert.equal(filter.onData(Buffer.from('x'), false), Continue);
  assert.equal(subject.stat('rb.rbac.allowed'), 1);
  const stranger = new FakeConnection();
  stranger.remoteAddress = { ip: '192.0.2.1', port: 1 };
  const refused = subject.open(stranger);
  assert.equal(refused.filter.onData(Buffer.from('x'), false), StopIteration);
  assert.equal(
    refused.streamInfo.connectionTerminationDetails,
    'rbac_access_denied_matched_policy[none]',
  );
});

test('CONTINUOUS judges whatever comes', () => {
  const subject = scenario(
    `enforcement_type: CONTINUOUS, rules: {policies: {p: {${anyone}}}}, shadow_rules: {policies: {p: {${anyone}}}}`,
  );
  const { filter } = subject.open();
  for (let i = 0; i < 3; i++) filter.onData(Buffer.from('x'), false);
  assert.equal(subject.stat('rb.rbac.allowed'), 3);
  assert.equal(subject.stat('rb.rbac.shadow_allowed'), 1);
});

test('delay_deny holds the connection and what it sends, then closes', () => {
  const subject = scenario('delay_deny: 0.3s, rules: {}');
  const { connection, filter } = subject.open();
  assert.equal(filter.onData(Buffer.from('x'), false), StopIteration);
  assert.equal(filter.onData(Buffer.from('xy'), true), StopIteration);
  assert.equal(subject.stat('rb.rbac.denied'), 1);
  subject.timers.advance(299);
  assert.equal(connection.isOpen(), true);
  subject.timers.advance(1);
  assert.equal(connection.isOpen(), false);
  const gone = subject.open();
  gone.filter.onData(Buffer.from('x'), false);
  gone.connection.remoteClose();
  subject.timers.advance(300);
});

test('shadow rules are counted and noted, never enforced', () => {
  const subject = scenario(
    `shadow_rules_stat_prefix: sh_, shadow_rules: {action: DENY, policies: {p2: {${anyone}}}}`,
  );
  const { filter, streamInfo } = subject.open();
  assert.equal(filter.onData(Buffer.from('x'), false), Continue);
  assert.equal(subject.stat('rb.rbac.sh_.shadow_denied'), 1);
  assert.equal(subject.stat('rb.rbac.allowed'), 0);
  assert.deepEqual(streamInfo.dynamicMetadata, {
    'envoy.filters.network.rbac': {
      sh_shadow_effective_policy_id: 'p2',
      sh_shadow_engine_result: 'denied',
    },
  });
});

test('url_path never matches on a connection, whatever its place', () => {
  const rule = 'permissions: [{url_path: {path: {prefix: /}}}], principals: [{any: true}]';
  const subject = scenario(`rules: {policies: {p: {${rule}}}}`);
  assert.equal(subject.open().filter.onData(Buffer.from('x'), false), StopIteration);
});

test('config: header rules are refused wherever they stand, a matcher by name', () => {
  const header = '{header: {name: x, present_match: true}}';
  const message = 'a header rule is not supported by the RBAC network filter';
  for (const policy of [
    `permissions: [${header}], principals: [{any: true}]`,
    `permissions: [{or_rules: {rules: [{not_rule: ${header}}]}}], principals: [{any: true}]`,
    `permissions: [{any: true}], principals: [{and_ids: {ids: [${header}]}}]`,
  ]) {
    for (const field of ['rules', 'shadow_rules']) {
      const errors = readFilterErrors(
        TYPE,
        `stat_prefix: s, ${field}: {policies: {p: {${policy}}}}`,
      );
      assert.deepEqual(errors, [`${field}: ${message}`], policy);
    }
  }
  assert.match(
    readFilterErrors(TYPE, 'stat_prefix: s, matcher: {}')[0] ?? '',
    /^matcher: not supported/,
  );
});
