import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compiledData, resourceErrors } from '../../test/fakes/config.ts';
import type { RouteConfigData } from '../api/config/route.ts';

const config = (action: string, host = ''): string =>
  `{name: r, virtual_hosts: [{name: v, domains: ["*"], ${host} routes: [{match: {prefix: /}, route: {cluster: c, ${action}}}]}]}`;

test('a route says whether its tries are hedged, or leaves it to the virtual host', () => {
  const compiled = (text: string) => {
    // The kind says what the compiler makes.
    const [host] = (compiledData('route', text) as RouteConfigData).virtualHosts;
    const action = host?.routes[0]?.action;
    return [action?.kind === 'route' && action.hedgeOnPerTryTimeout, host?.hedgeOnPerTryTimeout];
  };
  const on = 'hedge_policy: {hedge_on_per_try_timeout: true}';
  assert.deepEqual(compiled(config('priority: DEFAULT')), [null, false]);
  assert.deepEqual(compiled(config(on)), [true, false]);
  assert.deepEqual(compiled(config('hedge_policy: {}', `${on},`)), [false, true]);
});

test('what Envoy takes and does nothing with is refused', () => {
  const at = 'virtual_hosts[0].routes[0].route.hedge_policy';
  for (const field of ['initial_requests: 2', 'additional_request_chance: {numerator: 1}']) {
    const [name] = field.split(':');
    const text = config(`hedge_policy: {${field}}`);
    assert.deepEqual(resourceErrors('route', text), [`${at}.${name}: not supported yet`]);
  }
});
