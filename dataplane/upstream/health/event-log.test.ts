import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placedHost } from '../../../test/fakes/cluster-config.ts';
import { healthEventLine } from './event-log.ts';

const host = placedHost('127.0.0.1', 0, { port: 18081 });
const wallMs = Date.UTC(2026, 10, 21, 15, 48, 14, 120);
const socket =
  '"host":{"socket_address":{"protocol":"TCP","address":"127.0.0.1","port_value":18081,"resolver_name":"","ipv4_compat":false,"network_namespace_filepath":""}}';
const time = '"timestamp":"2026-11-21T15:48:14.120Z"';
const locality = '"locality":{"region":"","zone":"","sub_zone":""}';

// As a running Envoy 1.40 wrote them, but for names and times.
test('lines are those of Envoy, field by field', () => {
  assert.equal(
    healthEventLine(
      'HTTP',
      'c',
      host,
      { kind: 'eject_unhealthy_event', failureType: 'ACTIVE', httpStatus: 429 },
      wallMs,
    ),
    `{"health_checker_type":"HTTP",${socket},"cluster_name":"c","eject_unhealthy_event":{"failure_type":"ACTIVE","http_status_code":429},${time},${locality}}`,
  );
  assert.equal(
    healthEventLine('GRPC', 'c', host, { kind: 'add_healthy_event', firstCheck: true }, wallMs),
    `{"health_checker_type":"GRPC",${socket},"cluster_name":"c","add_healthy_event":{"first_check":true},${time},${locality}}`,
  );
  assert.equal(
    healthEventLine('HTTP', 'c', host, { kind: 'degraded_healthy_host' }, wallMs),
    `{"health_checker_type":"HTTP",${socket},"cluster_name":"c",${time},"degraded_healthy_host":{},${locality}}`,
  );
  assert.equal(
    healthEventLine('TCP', 'c', host, { kind: 'successful_health_check_event' }, wallMs),
    `{"health_checker_type":"TCP",${socket},"cluster_name":"c",${time},${locality},"successful_health_check_event":{}}`,
  );
});

test('metadata and locality of the endpoint are in the line', () => {
  const placed = placedHost('127.0.0.1', 0, {
    port: 18081,
    metadata: { x: { y: 1 } },
    locality: { region: 'r', zone: 'z', subZone: 's' },
  });
  assert.equal(
    healthEventLine(
      'HTTP',
      'c',
      placed,
      {
        kind: 'health_check_failure_event',
        failureType: 'NETWORK',
        firstCheck: true,
        httpStatus: 0,
      },
      wallMs,
    ),
    `{"health_checker_type":"HTTP",${socket},"cluster_name":"c",${time},"health_check_failure_event":{"failure_type":"NETWORK","first_check":true,"http_status_code":0},"metadata":{"filter_metadata":{"x":{"y":1}},"typed_filter_metadata":{}},"locality":{"region":"r","zone":"z","sub_zone":"s"}}`,
  );
});
