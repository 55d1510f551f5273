// Virtual hosts of VHDS in a route table.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { routeConfigData, routeData, virtualHostData } from '../../test/fakes/route-data.ts';
import { adsSource } from '../api/config/config-source.ts';
import { RequestHeaders } from '../api/headers.ts';
import { DynamicHosts } from './dynamic-hosts.ts';
import { createRouteTable } from './route-table.ts';

const host = (name: string, ...domains: string[]) =>
  virtualHostData({ name, domains, routes: [routeData({ name: `route of ${name}` })] });
const head = (authority: string) => new RequestHeaders('GET', '/', authority, 'http', []);

function setUp() {
  const hosts = new DynamicHosts();
  const vhds = { id: 'rc', namespace: 'rc', source: adsSource };
  const table = createRouteTable(
    routeConfigData({ name: 'rc', vhds, virtualHosts: [host('own', 'own.x', '*.x')] }),
    {
      createRouteFilterConfig: () => null,
      dynamicHosts: (id) => {
        assert.equal(id, 'rc');
        return hosts;
      },
    },
  );
  const hostOf = (authority: string) => table.match(head(authority), 0)?.virtualHostName ?? null;
  return { hosts, table, hostOf };
}

test('hosts come and go beside those of the table, and the best match counts', () => {
  const { hosts, hostOf } = setUp();
  assert.deepEqual([hostOf('a.x'), hostOf('y')], ['own', null]);
  hosts.set('rc/a', host('a', 'a.x', 'y', '*.a.x', 'a.*'));
  assert.deepEqual(
    [hostOf('a.x'), hostOf('y'), hostOf('b.a.x'), hostOf('a.z'), hostOf('own.x')],
    ['a', 'a', 'a', 'a', 'own'],
  );
  hosts.delete('rc/a');
  assert.deepEqual(
    [hostOf('a.x'), hostOf('y'), hostOf('b.a.x'), hostOf('a.z')],
    ['own', null, 'own', null],
  );
});

test('a host that changes loses the domains that it does not have any more', () => {
  const { hosts, hostOf } = setUp();
  hosts.set('rc/a', host('a', 'one', 'two', '*'));
  assert.deepEqual([hostOf('one'), hostOf('two'), hostOf('three')], ['a', 'a', 'a']);
  hosts.set('rc/a', host('a2', 'two'));
  assert.deepEqual([hostOf('one'), hostOf('two')], [null, 'a2']);
});

test('a domain that goes from one host to another stays with the other, whoever is told first', () => {
  const { hosts, hostOf } = setUp();
  hosts.set('rc/a', host('a', 'one', '*.one', '*'));
  assert.equal(hostOf('one'), 'a');
  hosts.set('rc/b', host('b', 'one', '*.one', '*'));
  assert.deepEqual([hostOf('one'), hostOf('x.one'), hostOf('two')], ['b', 'b', 'b']);
  hosts.delete('rc/a');
  assert.deepEqual([hostOf('one'), hostOf('x.one'), hostOf('two')], ['b', 'b', 'b']);
});

test('what is asked for is the host as the request says it, in lower case', () => {
  const { table } = setUp();
  assert.deepEqual(table.missing(head('A.y:80')), {
    kind: 'virtual-host',
    name: 'rc/a.y:80',
    source: adsSource,
  });
  assert.equal(table.missing(head('')), null);
  const without = createRouteTable(routeConfigData({}), {
    createRouteFilterConfig: () => null,
    dynamicHosts: () => assert.fail('nobody needs them'),
  });
  assert.equal(without.missing(head('a')), null);
});
