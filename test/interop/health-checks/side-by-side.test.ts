// Active health checks side by side with Envoy: one config, upstreams that follow one script. What a host's flags
// are one after the other, which events are logged, how long each wait is and which counters move must be the same.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../../fakes/until.ts';
import { findPeer, skipWithout } from '../peers.ts';
import { type ProxyPorts, type RunningProxy, startProxy } from '../proxies.ts';
import {
  type Answer,
  grpcUpstream,
  http2Upstream,
  httpUpstream,
  type ScriptedUpstream,
  tcpUpstream,
} from './upstreams.ts';

const types = 'type.googleapis.com/envoy.extensions';

const clusterNames = ['http', 'http2', 'tcp', 'grpc'] as const;
type ClusterName = (typeof clusterNames)[number];

/** Traffic begins after this check, and asks for no more of itself after the other. */
const FIRST_REQUEST_AFTER = 3;
const REFUSAL_AFTER = 31;

const scripts: Readonly<Record<ClusterName, readonly Answer[]>> = {
  http: [
    ...['other-body', 'ok', 'ok'],
    ...['ok', 'ok', 'too-many', 'too-many', 'too-many', 'ok', 'hang', 'ok', 'ok'],
    ...['unavailable', 'ok', 'reset', 'ok', 'ok', 'exclude', 'ok', 'ok'],
    ...['degraded', 'degraded', 'ok', 'other-service', 'degraded', 'degraded', 'ok'],
    ...['hang', 'hang', 'ok', 'ok', 'ok', 'ok', 'ok'],
  ] as Answer[],
  http2: [
    ...['ok', 'ok', 'unavailable', 'ok', 'ok', 'goaway', 'ok', 'hang', 'hang', 'hang', 'ok'],
    ...['ok', 'reset', 'ok', 'goaway-error', 'ok', 'goaway', 'unavailable', 'ok', 'ok'],
  ] as Answer[],
  tcp: [
    ...['ok', 'ok', 'hang', 'hang', 'hang', 'ok', 'ok', 'other-bytes', 'ok'],
    ...['reset', 'reset', 'reset', 'ok', 'ok', 'close-later', 'ok', 'ok'],
  ] as Answer[],
  grpc: [
    ...['not-serving', 'ok', 'unimplemented', 'ok', 'ok', 'reset', 'reset', 'reset', 'ok', 'ok'],
    ...['goaway', 'ok', 'goaway-error', 'no-grpc', 'ok', 'ok', 'hang', 'hang', 'hang', 'ok', 'ok'],
  ] as Answer[],
};

type Upstreams = Readonly<Record<ClusterName, ScriptedUpstream>>;

/** Waits lie so far apart that a busy machine does not make one look like another. */
function bootstrap(upstreams: Upstreams, ports: ProxyPorts, directory: string): string {
  const cluster = (name: ClusterName, check: string, more = '') => `
    - name: ${name}
      connect_timeout: 5s
      common_lb_config: { healthy_panic_threshold: { value: 0 } }
      ${more}
      health_checks:
        - timeout: 0.5s
          interval: 1.3s
          unhealthy_interval: 1.8s
          unhealthy_edge_interval: 0.3s
          healthy_edge_interval: 0.8s
          no_traffic_interval: ${name === 'http' ? '0.5s' : '0.3s'}
          no_traffic_healthy_interval: ${name === 'http' ? '1s' : '0.6s'}
          unhealthy_threshold: 3
          healthy_threshold: 2
          event_logger:
            - name: envoy.health_check.event_sinks.file
              typed_config: { "@type": ${types}.health_check.event_sinks.file.v3.HealthCheckEventFileSink, event_log_path: ${directory}/${name}.log }
          ${check}
      load_assignment:
        cluster_name: ${name}
        endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${upstreams[name].port} } } } }] }]`;
  const http2 = `typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": ${types}.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} } } }`;
  return `
admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${ports.admin} } } }
static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: ${ports.listen} } }
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": ${types}.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: http } }] }] }
                http_filters: [{ name: envoy.filters.http.router, typed_config: { "@type": ${types}.filters.http.router.v3.Router } }]
  clusters:
    ${cluster(
      'http',
      `http_health_check:
            path: /health
            receive: [{ text: "616c6c" }, { text: "77656c6c" }]
            retriable_statuses: [{ start: 429, end: 430 }]
            service_name_matcher: { exact: orders }`,
    )}
    ${cluster(
      'http2',
      'http_health_check: { path: /health, method: POST, send: { text: "70696e67" }, codec_client_type: HTTP2 }',
      http2,
    )}
    ${cluster(
      'tcp',
      `always_log_health_check_failures: true
          always_log_health_check_success: true
          tcp_health_check: { send: { text: "70696e67" }, receive: [{ text: "68656c" }, { text: "6c6f" }] }`,
    )}
    ${cluster('grpc', 'grpc_health_check: { service_name: orders }', http2)}
`;
}

/** What there is to compare of one proxy. */
interface Observed {
  /** Of each cluster's host, each state once, in order. */
  readonly flags: Record<ClusterName, string[]>;
  /** Without times and addresses. */
  readonly events: Record<ClusterName, string[]>;
  /** From one check to the next, ms. */
  readonly waits: Record<ClusterName, number[]>;
  readonly stats: Record<string, number>;
}

async function observe(kind: 'envoy' | 'remora'): Promise<Observed> {
  let proxy: RunningProxy | null = null;
  const request = (path: string) => {
    if (proxy === null) return;
    // The answer may be a 503; what counts is that there was traffic.
    fetch(`http://127.0.0.1:${proxy.ports.listen}${path}`).catch(() => {});
  };
  const upstreams: Upstreams = {
    http: await httpUpstream(scripts.http, (count) => {
      if (count === FIRST_REQUEST_AFTER) request('/');
      else if (count === REFUSAL_AFTER) request('/refuse');
    }),
    http2: await http2Upstream(scripts.http2),
    tcp: await tcpUpstream(scripts.tcp),
    grpc: await grpcUpstream(scripts.grpc),
  };
  const flags: Observed['flags'] = { http: [], http2: [], tcp: [], grpc: [] };
  try {
    proxy = await startProxy(kind, findPeer('envoy') ?? '', (ports, directory) =>
      bootstrap(upstreams, ports, directory),
    );
    const running = proxy;
    await until(
      'every script is over',
      async () => {
        noteFlags(flags, await running.admin('/clusters'));
        return clusterNames.every((name) => upstreams[name].times.length > scripts[name].length);
      },
      120_000,
    );
    const stats = statsOf(await running.admin('/stats?filter=%5Ecluster.*health_check'));
    // Envoy writes every 100 ms, we every second.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const perCluster = <T>(make: (name: ClusterName) => T) => ({
      http: make('http'),
      http2: make('http2'),
      tcp: make('tcp'),
      grpc: make('grpc'),
    });
    return {
      flags,
      events: perCluster((name) => eventsOf(join(running.directory, `${name}.log`))),
      waits: perCluster((name) => waitsOf(upstreams[name].times, scripts[name].length)),
      stats,
    };
  } finally {
    await proxy?.stop();
    for (const name of clusterNames) upstreams[name].close();
  }
}

function noteFlags(flags: Observed['flags'], clusters: string): void {
  for (const name of clusterNames) {
    const found = new RegExp(`^${name}::127.*::health_flags::(.*)$`, 'm').exec(clusters)?.[1];
    if (found !== undefined && flags[name].at(-1) !== found) flags[name].push(found);
  }
}

function statsOf(text: string): Record<string, number> {
  const stats: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const [name, value] = line.split(': ');
    // Those that go on growing, and a gauge that Envoy never counts down.
    if (name === undefined || /attempt|success|verify_cluster|degraded/.test(name)) continue;
    if (name !== '') stats[name] = Number(value);
  }
  return stats;
}

function eventsOf(path: string): string[] {
  const events: string[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    if (line === '') continue;
    const { timestamp, host, ...rest } = JSON.parse(line);
    assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/);
    assert.equal(host.socket_address.address, '127.0.0.1');
    events.push(JSON.stringify(rest));
  }
  return events;
}

function waitsOf(times: readonly number[], count: number): number[] {
  return times.slice(1, count).map((time, i) => Math.round(time - times[i]!));
}

/** Ours may be late by a tick of the timer wheel and whatever the machine is busy with. */
const TOLERANCE_MS = 220;
/** The machine may be so busy that some of the checks, ours or Envoy's, come later still. */
const LATE_SHARE = 0.2;

test('health checks: flags, events, waits and counters as Envoy has them', {
  skip: skipWithout('envoy'),
}, async () => {
  const [envoy, remora] = await Promise.all([observe('envoy'), observe('remora')]);
  for (const name of clusterNames) {
    // The script may end while the last success is still written.
    const known = Math.min(envoy.events[name].length, remora.events[name].length);
    assert.ok(known >= envoy.events[name].length - 2, `events of ${name}`);
    assert.deepEqual(
      remora.events[name].slice(0, known),
      envoy.events[name].slice(0, known),
      `events of ${name}`,
    );
    assert.deepEqual(remora.flags[name], envoy.flags[name], `flags of ${name}`);
    const others = envoy.waits[name].flatMap((wait, i) => {
      const ours = remora.waits[name][i] ?? 0;
      const what = `${wait} ms behind check ${i + 1} (${scripts[name][i]}), ours ${ours}`;
      return Math.abs(ours - wait) <= TOLERANCE_MS ? [] : [what];
    });
    const allowed = envoy.waits[name].length * LATE_SHARE;
    assert.ok(others.length <= allowed, `waits of ${name}: ${others.join('; ')}`);
  }
  assert.deepEqual(remora.stats, envoy.stats);
});
