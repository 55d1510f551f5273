// How the xDS commands print; what they print is the control plane's (test/integration/ctl-xds.test.ts runs both).

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServedResource, ServiceLoad } from '../rest-client.ts';
import { loadTable } from './load.ts';
import { changesText } from './proxy-config.ts';
import { servedTable } from './proxy-config-tables.ts';
import { compareWithSidecar, parseConfigDump } from './sidecar-config.ts';
import { parseFor, traceText } from './xds-trace.ts';

const plain = (text: string) => text;

function served(
  kind: string,
  resource: unknown,
  extra: Partial<ServedResource> = {},
): ServedResource {
  const versions = { version: 'v', acceptedVersion: 'v', state: 'SYNCED' };
  return { type: 'XDS', kind, name: 'r', ...versions, resource, ...extra };
}
const host = (port: number) => ({
  endpoint: { address: { socket_address: { address: '::1', port_value: port } } },
});

describe('tables of what a sidecar is served', () => {
  it('show clusters by type, policy and mTLS', () => {
    const cluster = {
      type: 'EDS',
      lb_policy: 'LEAST_REQUEST',
      transport_socket: { name: 'envoy.transport_sockets.tls' },
    };
    const missing = served('cluster', null, { name: 'gone', state: 'STALE' });
    assert.equal(
      servedTable('cluster', [served('cluster', cluster), missing]),
      `NAME  TYPE  LB             TLS   STATE
r     EDS   LEAST_REQUEST  mTLS  SYNCED
gone  -     -              -     STALE
`,
    );
  });

  it('show each route with what it matches and where it leads', () => {
    const config = {
      virtual_hosts: [
        {
          name: 'orders',
          domains: ['orders', 'orders:80', 'orders.default'],
          routes: [
            {
              match: { path: '/a', headers: [{ name: 'x', string_match: { exact: '1' } }] },
              route: {
                weighted_clusters: { clusters: [{ name: 'v1', weight: 9 }, { name: 'v2' }] },
              },
            },
            { match: { prefix: '/' }, route: { cluster: 'all' } },
            { match: { safe_regex: { regex: 'a+' } }, direct_response: { status: 404 } },
            { match: { path_separated_prefix: '/b' }, redirect: {} },
          ],
        },
      ],
    };
    assert.equal(
      servedTable('route', [served('route', config)]),
      `NAME  HOST    DOMAINS            MATCH   TO           STATE
r     orders  orders and 2 more  /a x=1  v1=9 v2=0    SYNCED
r     orders  orders and 2 more  /*      all          SYNCED
r     orders  orders and 2 more  ~a+     answers 404  SYNCED
r     orders  orders and 2 more  /b*     redirect     SYNCED
`,
    );
  });

  it('show listeners, endpoints and secrets', () => {
    const listener = {
      address: { socket_address: { address: '0.0.0.0', port_value: 80 } },
      filter_chains: [{ filters: [{ typed_config: { rds: { route_config_name: 'out' } } }] }],
    };
    assert.match(
      servedTable('listener', [served('listener', listener)]),
      /0\.0\.0\.0:80 +out +1 +SY/,
    );
    const assignment = {
      endpoints: [
        { locality: { region: 'r', zone: 'z' }, priority: 1, lb_endpoints: [host(1)] },
        { lb_endpoints: [{ ...host(2), load_balancing_weight: 3, health_status: 'DRAINING' }] },
      ],
    };
    const table = servedTable('endpoint', [served('endpoint', assignment)]);
    assert.match(table, /^r +\[::1\]:1 +r\/z +1 +1 +UNKNOWN +SYNCED$/m);
    assert.match(table, /^r +\[::1\]:2 +- +0 +3 +DRAINING +SYNCED$/m);
    const secret = {
      holds: 'tls_certificate',
      certificates: [
        { subject_alt_names: ['URI:spiffe://a'], valid_until: '2026', fingerprint_sha256: 'AB' },
      ],
    };
    assert.match(
      servedTable('secret', [served('secret', secret)]),
      /^r +tls_certificate +URI:spiffe:\/\/a +2026 +AB +SYNCED$/m,
    );
  });

  it('show a resource of another shape by its name, and names without control characters', () => {
    assert.match(
      servedTable('route', [served('route', { virtual_hosts: 'no' })]),
      /^r +- +- +- +- +SY/m,
    );
    const evil = served('cluster', {}, { name: `a${String.fromCharCode(27)}[2J` });
    assert.ok(!servedTable('cluster', [evil]).includes(String.fromCharCode(27)));
  });
});

describe('the difference to what a sidecar runs', () => {
  const type = (name: string) => `type.googleapis.com/envoy.admin.v3.${name}`;
  const dump = {
    configs: [
      {
        '@type': type('ClustersConfigDump'),
        dynamic_active_clusters: [
          { cluster: { '@type': 'x', name: 'same', type: 'EDS' } },
          { cluster: { name: 'other', type: 'EDS', connect_timeout: '1s' } },
          { cluster: { name: 'only here' } },
        ],
        static_clusters: [{ cluster: { name: 'of the bootstrap' } }],
      },
      {
        '@type': type('ListenersConfigDump'),
        dynamic_listeners: [{ name: 'refused', error_state: {} }],
      },
      {
        '@type': type('EndpointsConfigDump'),
        dynamic_endpoint_configs: [
          {
            endpoint_config: {
              cluster_name: 'same',
              endpoints: [{ lb_endpoints: [{ ...host(1), health_status: 'HEALTHY' }] }],
            },
          },
          { endpoint_config: { cluster_name: 'other', endpoints: [] } },
        ],
      },
    ],
  };

  it('is told resource by resource, without what the proxy adds and what it was not to have', () => {
    const items = [
      served('cluster', { name: 'same', type: 'EDS' }, { type: 'CDS', name: 'same' }),
      served('cluster', { name: 'other', type: 'EDS' }, { type: 'CDS', name: 'other' }),
      served('cluster', { name: 'lacking' }, { type: 'CDS', name: 'lacking' }),
      served('listener', { name: 'refused' }, { type: 'LDS', name: 'refused', state: 'ERROR' }),
      served(
        'endpoint',
        { endpoints: [{ lb_endpoints: [host(1)] }] },
        { type: 'EDS', name: 'same' },
      ),
      served('endpoint', {}, { type: 'EDS', name: 'not asked for', state: 'NOT_SENT' }),
      served('route', {}, { type: 'RDS', name: 'the dump has no routes' }),
    ];
    assert.equal(
      changesText(compareWithSidecar(items, parseConfigDump(dump)), plain),
      `~ CDS other
    connect_timeout: "1s" -> (not set)
+ CDS lacking
- CDS only here
~ LDS refused
    (all): null -> {"name":"refused"}
`,
    );
  });

  it('is nothing for a dump that is none', () => {
    assert.deepEqual(compareWithSidecar([served('cluster', {})], parseConfigDump('no')), []);
  });
});

describe('a line of a trace', () => {
  const at = '2026-01-01T12:00:00.123Z';

  it('says what came and went, with names and changes below', () => {
    const changed = [{ name: 'c', fields: [{ path: 'a.b', before: '1', after: null }], more: 2 }];
    assert.equal(
      traceText(
        {
          ...{ at, event: 'response', type: 'CDS', bytes: 2048, nonce: '3', version: 'v' },
          ...{ resources: 3, unchanged: 1, changed, changedMore: 1 },
          added: { names: ['n'], more: 1 },
          removed: { names: ['gone'], more: 0 },
        },
        plain,
      ),
      `12:00:00.123  response  CDS   nonce 3, version v, 2.0 KiB, 3 resources, 1 unchanged
              + n
              + and 1 more
              ~ c
                  a.b: 1 -> (not set)
                  and 2 more
              ~ and 1 more
              - gone
`,
    );
  });

  it('says why something was refused, on one line, and how many events were dropped', () => {
    const nack = {
      at,
      event: 'NACK',
      type: 'LDS',
      bytes: 9,
      nonce: '3',
      afterMs: 5,
      text: 'a\nb\n',
    };
    assert.equal(
      traceText(nack, plain),
      '12:00:00.123  NACK      LDS   nonce 3, 9 B, after 5 ms, a; b\n',
    );
    assert.match(
      traceText({ at, event: 'dropped', count: 7 }, plain),
      /dropped +7 events, because/,
    );
  });
});

describe('the table of load', () => {
  const place = (locality: string, requestsPerSecond: number, errorRatio = 0) => ({
    ...{ locality, priority: 0, requestsPerSecond, errorRatio, inProgress: 1, reporters: 2 },
  });
  const load = (extra: Partial<ServiceLoad>): ServiceLoad => ({
    ...{ service: 'a.default', version: null, cluster: 'c', droppedPerSecond: 0, localities: [] },
    ...extra,
  });

  it('has a row per locality, one for the idle, one for what was dropped', () => {
    assert.equal(
      loadTable([
        load({ localities: [place('r/z', 123.4, 0.0123), place('', 0.05)], droppedPerSecond: 2.5 }),
        load({ service: '', cluster: 'elsewhere', version: null }),
      ]),
      `SERVICE    VERSION  LOCALITY  REQUESTS/S  ERRORS  IN PROGRESS  REPORTING
a.default  *        r/z       123         1.2 %   1            2
a.default  *        -         0.05        0.0 %   1            2
a.default  *        dropped   2.5         -       -            -
elsewhere  *        -         0           -       -            0
`,
    );
  });
});

describe('how long a trace runs', () => {
  it('is at most what a timer can wait', () => {
    assert.equal(parseFor('24d'), 24 * 86_400);
    assert.throws(() => parseFor('25d'), /no more than 24d/);
    assert.throws(() => parseFor('0s'), /expected a duration/);
  });
});
