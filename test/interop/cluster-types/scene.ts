// Upstreams on several loopback addresses with one port, a name server that the test commands, and a bootstrap with a
// cluster of each type, for Envoy and for our sidecar alike.

import { once } from 'node:events';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { FakeDnsServer } from '../../fakes/dns-server.ts';

const types = 'type.googleapis.com/envoy.extensions';
const AGGREGATE = `${types}.clusters.aggregate.v3.ClusterConfig`;
const DFP_CLUSTER = `${types}.clusters.dynamic_forward_proxy.v3.ClusterConfig`;
const DFP_FILTER = `${types}.filters.http.dynamic_forward_proxy.v3.FilterConfig`;
const DFP_ROUTE = `${types}.filters.http.dynamic_forward_proxy.v3.PerRouteConfig`;
const DNS_CLUSTER = `${types}.clusters.dns.v3.DnsCluster`;
const HCM = `${types}.filters.network.http_connection_manager.v3.HttpConnectionManager`;
const ROUTER = `${types}.filters.http.router.v3.Router`;
const PROXY_PROTOCOL = `${types}.filters.listener.proxy_protocol.v3.ProxyProtocol`;
const TCP_PROXY = `${types}.filters.network.tcp_proxy.v3.TcpProxy`;
const PRIORITIES = `${types}.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig`;
const STDOUT = `${types}.access_loggers.file.v3.FileAccessLog`;

/** Hosts that answer with `<own address> <host header>`; `/fail` with 503. */
export class Scene implements AsyncDisposable {
  readonly dns: FakeDnsServer;
  readonly port: number;
  readonly #servers: readonly http.Server[];

  private constructor(dns: FakeDnsServer, port: number, servers: readonly http.Server[]) {
    this.dns = dns;
    this.port = port;
    this.#servers = servers;
  }

  /** Upstreams at 127.0.0.<n> for each n, and an address per n above them where nobody listens. */
  static async start(last: number): Promise<Scene> {
    for (;;) {
      const first = await listen('127.0.0.2', 0);
      const { port } = first.address() as AddressInfo;
      const servers = [first];
      try {
        for (let n = 3; n <= last; n++) servers.push(await listen(`127.0.0.${n}`, port));
      } catch {
        for (const server of servers) server.close();
        continue; // the port is taken on one of them
      }
      return new Scene(await FakeDnsServer.start(), port, servers);
    }
  }

  closeConnections(): void {
    for (const server of this.#servers) server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
    await this.dns[Symbol.asyncDispose]();
  }
}

async function listen(ip: string, port: number): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    response.setHeader('x-from', ip);
    response.statusCode = request.url?.endsWith('/fail') === true ? 503 : 200;
    response.end(`${ip} ${request.headers.host}`);
  });
  server.listen(port, ip);
  await once(server, 'listening');
  return server;
}

export interface ListenerPorts {
  readonly http: number;
  readonly restored: number;
  readonly tcp: number;
  readonly admin: number;
}

export function bootstrap({ dns, port }: Scene, ports: ListenerPorts, log: string): string {
  const resolver = `typed_dns_resolver_config: ${dns.resolverConfig}`;
  const endpoint = (name: string, more = ''): string =>
    `{endpoint: {address: {socket_address: {address: ${name}, port_value: ${port}}}}${more}}`;
  const assignment = (...endpoints: string[]): string =>
    `load_assignment: {cluster_name: x, endpoints: [{lb_endpoints: [${endpoints.join(', ')}]}]}`;
  const priorities = (...names: string[]): string =>
    `load_assignment: {cluster_name: x, endpoints: [${names
      .map((name, priority) => `{priority: ${priority}, lb_endpoints: [${endpoint(name)}]}`)
      .join(', ')}]}`;
  const aggregate = (...clusters: string[]): string =>
    `lb_policy: CLUSTER_PROVIDED, cluster_type: {name: envoy.clusters.aggregate, typed_config: {"@type": ${AGGREGATE}, clusters: [${clusters.map((name) => JSON.stringify(name)).join(', ')}]}}`;
  const fast = `dns_refresh_rate: 0.3s, dns_lookup_family: V4_ONLY`;
  const cache = `{name: names, dns_lookup_family: V4_ONLY, dns_refresh_rate: 0.5s, dns_min_refresh_rate: 1s, dns_query_timeout: 2s, max_hosts: 5, dns_cache_circuit_breaker: {max_pending_requests: 2}, ${resolver}}`;
  const ejecting =
    'outlier_detection: {consecutive_5xx: 1, interval: 600s, max_ejection_percent: 100}';
  const retries = `retry_policy: {retry_on: 5xx, num_retries: 2, retry_priority: {name: p, typed_config: {"@type": ${PRIORITIES}, update_frequency: 1}}}`;
  const routes: readonly (readonly [string, string, string?])[] = [
    ['strict', '{cluster: strict}'],
    ['logical', '{cluster: logical, auto_host_rewrite: true}'],
    ['dns', '{cluster: dns}'],
    ['named', '{cluster: named}'],
    ['original', '{cluster: original}'],
    ['header', '{cluster: header}'],
    ['moved', '{cluster: moved}'],
    ['metadata', '{cluster: metadata}'],
    ['aggregate', '{cluster: aggregate}'],
    ['gone', '{cluster: gone}'],
    ['again', `{cluster: again, ${retries}}`],
    ['dfp', '{cluster: dfp}'],
    [
      'literal',
      '{cluster: dfp}',
      `typed_per_filter_config: {dfp: {"@type": ${DFP_ROUTE}, host_rewrite_literal: "literal.test:${port}"}}`,
    ],
    [
      'byheader',
      '{cluster: dfp}',
      `typed_per_filter_config: {dfp: {"@type": ${DFP_ROUTE}, host_rewrite_header: x-host}}`,
    ],
  ];
  const routeTexts = routes.map(
    ([name, action, more]) =>
      `{match: {prefix: "/${name}"}, route: ${action.replace('{cluster', '{prefix_rewrite: "/", cluster')}${more === undefined ? '' : `, ${more}`}}`,
  );
  const accessLog = `access_log: [{name: l, typed_config: {"@type": ${STDOUT}, path: "${log}", log_format: {text_format_source: {inline_string: "%REQ(X-N)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_CLUSTER% %UPSTREAM_HOST%\\n"}}}}]`;
  const hcm = (statPrefix: string): string =>
    `{name: hcm, typed_config: {"@type": ${HCM}, stat_prefix: ${statPrefix}, delayed_close_timeout: 0s, ${accessLog}, route_config: {name: r, virtual_hosts: [{name: v, domains: ["*"], routes: [${routeTexts.join(', ')}]}]}, http_filters: [{name: dfp, typed_config: {"@type": ${DFP_FILTER}, dns_cache_config: ${cache}}}, {name: router, typed_config: {"@type": ${ROUTER}}}]}}`;
  const listener = (name: string, listenPort: number, filter: string, more = ''): string =>
    `{name: ${name}, address: {socket_address: {address: 127.0.0.1, port_value: ${listenPort}}}, filter_chains: [{filters: [${filter}]}]${more}}`;
  const proxied = `, listener_filters: [{name: pp, typed_config: {"@type": ${PROXY_PROTOCOL}, rules: [{tlv_type: 224, on_tlv_present: {metadata_namespace: ns, key: to}}]}}]`;
  const tcp = `{name: tcp, typed_config: {"@type": ${TCP_PROXY}, stat_prefix: tcp, cluster: original}}`;
  const clusters = [
    `{name: strict, type: STRICT_DNS, ${fast}, ${resolver}, ${assignment(endpoint('strict.test'))}}`,
    `{name: logical, type: LOGICAL_DNS, ${fast}, ${resolver}, ${assignment(endpoint('logical.test'))}}`,
    `{name: dns, cluster_type: {name: envoy.cluster.dns, typed_config: {"@type": ${DNS_CLUSTER}, dns_refresh_rate: 0.3s, dns_lookup_family: V4_ONLY, all_addresses_in_single_endpoint: true, ${resolver}}}, ${assignment(endpoint('logical.test'))}}`,
    `{name: named, cluster_type: {name: envoy.cluster.strict_dns}, ${fast}, ${resolver}, ${assignment(endpoint('strict.test'))}}`,
    '{name: original, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, cleanup_interval: 1s}',
    '{name: header, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, original_dst_lb_config: {use_http_header: true, http_header_name: X-To}}',
    `{name: moved, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, original_dst_lb_config: {use_http_header: true, upstream_port_override: ${port}}}`,
    '{name: metadata, type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED, original_dst_lb_config: {metadata_key: {key: ns, path: [{key: to}]}}}',
    `{name: first, common_lb_config: {update_merge_window: 0s}, ${ejecting}, ${priorities('127.0.0.2', '127.0.0.3')}}`,
    `{name: second, ${assignment(endpoint('127.0.0.4'))}}`,
    `{name: aggregate, ${aggregate('first', 'second')}}`,
    `{name: third, ${priorities('127.0.0.2', '127.0.0.3')}}`,
    `{name: again, ${aggregate('third', 'second')}}`,
    `{name: gone, ${aggregate('no such cluster')}}`,
    `{name: dfp, lb_policy: CLUSTER_PROVIDED, cluster_type: {name: envoy.clusters.dynamic_forward_proxy, typed_config: {"@type": ${DFP_CLUSTER}, dns_cache_config: ${cache}}}}`,
  ];
  return `admin: {address: {socket_address: {address: 127.0.0.1, port_value: ${ports.admin}}}}
static_resources:
  clusters:
${clusters.map((text) => `  - ${text}`).join('\n')}
  listeners:
  - ${listener('http', ports.http, hcm('http'))}
  - ${listener('restored', ports.restored, hcm('restored'), proxied)}
  - ${listener('tcp', ports.tcp, tcp, proxied)}
`;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** One request on a connection of its own. `proxy` comes before it. */
export function get(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>>,
  proxy: string | Buffer = '',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', body = ''] = text.split('\r\n\r\n');
      const status = Number(head.split(' ')[1] ?? 0);
      resolve({ status: Number.isNaN(status) ? 0 : status, body: unchunked(head, body) });
    });
    const lines = Object.entries({ host: 'a.test', ...headers, connection: 'close' });
    const fields = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.write(proxy);
    socket.write(`GET ${path} HTTP/1.1\r\n${fields}\r\n`);
  });
}

/** A version 2 PROXY header from 1.2.3.4 to `ip`:`port`, with one TLV of type 224. */
export function proxyHeader(ip: string, port: number, tlv: string): Buffer {
  const value = Buffer.from(tlv);
  const head = Buffer.from('0d0a0d0a000d0a515549540a21110000010203040000000010000000e00000', 'hex');
  head.writeUInt16BE(12 + 3 + value.length, 14);
  Buffer.from(ip.split('.').map(Number)).copy(head, 20);
  head.writeUInt16BE(port, 26);
  head.writeUInt16BE(value.length, 29);
  return Buffer.concat([head, value]);
}

function unchunked(head: string, body: string): string {
  return /transfer-encoding: chunked/i.test(head) ? (body.split('\r\n')[1] ?? '') : body;
}
