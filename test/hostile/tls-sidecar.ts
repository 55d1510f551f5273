// A sidecar with TLS listeners in front of an upstream that records what it sees, and the common oracle of
// suite G: the peer was refused, the upstream saw nothing of it, a counter moved, the access log says why, and
// meanwhile a good request on another connection was served.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import type { TestCa, TestCertificate } from '../fakes/pki.ts';
import { type Sidecar, startSidecar } from '../integration/sidecar.ts';

export const inlineText = (text: string): string => `{ inline_string: ${JSON.stringify(text)} }`;

export const certificatesYaml = (...certificates: readonly TestCertificate[]): string =>
  `tls_certificates: [${certificates
    .map(
      ({ certificatePem, privateKeyPem }) =>
        `{ certificate_chain: ${inlineText(certificatePem)}, private_key: ${inlineText(privateKeyPem)} }`,
    )
    .join(', ')}]`;

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

/** transport_socket of a listener; `fields` of a DownstreamTlsContext in flow style. */
export const downstreamSocket = (fields: string): string =>
  `transport_socket: { name: tls, typed_config: { "@type": ${TLS}.DownstreamTlsContext, ${fields} } }`;
/** transport_socket of a cluster; `fields` of an UpstreamTlsContext in flow style. */
export const upstreamSocket = (fields: string): string =>
  `transport_socket: { name: tls, typed_config: { "@type": ${TLS}.UpstreamTlsContext, ${fields} } }`;

/** One filter chain in flow style: HTTP to the upstream. `socket` '' = plaintext. */
export const httpChain = (socket: string, match = '', cluster = 'backend'): string =>
  `{ ${match === '' ? '' : `filter_chain_match: ${match}, `}${socket === '' ? '' : `${socket}, `}filters: [{
      name: hcm, typed_config: {
        "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager,
        stat_prefix: hostile, access_log: [ACCESS_LOG], forward_client_cert_details: SANITIZE_SET, set_current_client_cert_details: { uri: true },
        route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: ${cluster} } }] }] },
        http_filters: [{ name: router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }] } }] }`;

export const tlsInspector =
  'listener_filters: [{ name: i, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector } }]';

export interface TlsSidecarOptions {
  /** The chains of the listener under test, in flow style. */
  readonly chains: readonly string[];
  /** More of that listener, e.g. its listener filters. */
  readonly listener?: string;
  /** More clusters, and what the good request's chain uses. */
  readonly clusters?: string;
}

/** What the upstream saw of one request. */
export interface SeenRequest {
  readonly path: string;
  readonly forwardedClientCert: string;
}

export class TlsSidecar implements AsyncDisposable {
  readonly seen: SeenRequest[] = [];
  readonly sidecar: Sidecar;
  readonly #upstream: http.Server;
  readonly #directory: string;

  private constructor(
    sidecar: Sidecar,
    upstream: http.Server,
    directory: string,
    seen: SeenRequest[],
  ) {
    this.sidecar = sidecar;
    this.#upstream = upstream;
    this.#directory = directory;
    this.seen = seen;
  }

  static async start({
    chains,
    listener = '',
    clusters = '',
  }: TlsSidecarOptions): Promise<TlsSidecar> {
    const directory = mkdtempSync(join(tmpdir(), 'tls-'));
    const seen: SeenRequest[] = [];
    const upstream = http.createServer((request, response) => {
      request.resume();
      const { url = '', headers } = request;
      if (url !== '/good') {
        seen.push({
          path: url,
          forwardedClientCert: String(headers['x-forwarded-client-cert'] ?? ''),
        });
      }
      response.end('served');
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as net.AddressInfo; // a TCP server has one
    const log = join(directory, 'listener.log');
    const accessLog = (format: string) =>
      `{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: ${JSON.stringify(log)}, log_format: { text_format_source: { inline_string: "${format}\\n" } } } }`;
    const yaml = `
static_resources:
  listeners:
    - name: hostile
      stat_prefix: hostile
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      access_log: [${accessLog('%DOWNSTREAM_TRANSPORT_FAILURE_REASON% %CONNECTION_TERMINATION_DETAILS%')}]
      ${listener}
      filter_chains: [${chains.join(', ').replaceAll('\n', ' ')}]
    - name: good
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
      filter_chains: [${httpChain('').replaceAll('\n', ' ')}]
  clusters:
    - name: backend
      type: STATIC
      load_assignment: { cluster_name: backend, endpoints: [{ lb_endpoints: [{ endpoint: {
        address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] }
${clusters}
`;
    const requestLog = accessLog(
      '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%',
    );
    try {
      const sidecar = await startSidecar(yaml.replaceAll('ACCESS_LOG', requestLog));
      return new TlsSidecar(sidecar, upstream, directory, seen);
    } catch (thrown) {
      upstream.close();
      throw thrown;
    }
  }

  get port(): number {
    return this.sidecar.port('hostile');
  }

  /** Body of a request over TLS, or why there was none. */
  request(options: tls.ConnectionOptions = {}, path = '/', host = 'a.test'): Promise<string> {
    return new Promise((resolve) => {
      const socket = tls.connect({
        port: this.port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ...options,
      });
      let text = '';
      let error = 'closed';
      socket.on('error', (thrown: NodeJS.ErrnoException) => {
        error = thrown.message;
      });
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('close', () => resolve(/\r\n\r\n([\s\S]*)$/.exec(text)?.[1] ?? error));
      socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    });
  }

  /** Sends bytes over plain TCP; what came back until the end, at most `ms`. */
  send(bytes: Buffer | string, ms = 5000): Promise<Buffer> {
    return new Promise((resolve) => {
      const socket = net.connect(this.port, '127.0.0.1');
      const chunks: Buffer[] = [];
      const timer = setTimeout(() => socket.destroy(), ms);
      socket.on('error', () => {});
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('close', () => {
        clearTimeout(timer);
        resolve(Buffer.concat(chunks));
      });
      socket.write(bytes);
    });
  }

  async good(): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${this.sidecar.port('good')}/good`);
    assert.equal(await response.text(), 'served');
  }

  async stat(name: string): Promise<number> {
    const line = (await this.sidecar.admin('/stats'))
      .split('\n')
      .find((entry) => entry.startsWith(`${name}: `));
    return Number(line?.slice(name.length + 2) ?? Number.NaN);
  }

  /** The oracle. `attack` resolves when the peer is done with; `counter` below `listener.hostile.`. */
  async refuses(
    attack: () => Promise<unknown>,
    counter: string,
    reason: RegExp | null,
  ): Promise<void> {
    const name = `listener.hostile.${counter}`;
    const before = await this.stat(name);
    const seenBefore = this.seen.length;
    await Promise.all([attack(), this.good()]);
    await this.sidecar.untilStat(name, (value) => value > before);
    assert.equal(this.seen.length, seenBefore, 'the upstream saw something of it');
    if (reason !== null) await this.logged(reason);
    await this.good();
  }

  /** The access log, as soon as it matches; some operators write spaces as underscores, so they are one here. */
  async logged(reason: RegExp): Promise<string> {
    const wanted = new RegExp(reason.source.replaceAll(' ', '_'), reason.flags);
    const end = performance.now() + 10_000;
    let text = '';
    while (performance.now() < end) {
      text = readFileSync(join(this.#directory, 'listener.log'), 'utf8');
      if (wanted.test(text.replaceAll(' ', '_'))) return text;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.match(text, reason);
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sidecar.stop();
    this.#upstream.closeAllConnections();
    this.#upstream.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** require_client_certificate with these anchors and names, in flow style. */
export const mutual = (leaf: TestCertificate, ca: TestCa, rules = ''): string =>
  `require_client_certificate: true, common_tls_context: { ${certificatesYaml(leaf)}, validation_context: { trusted_ca: ${inlineText(ca.certificatePem)}${rules === '' ? '' : `, ${rules}`} } }`;
