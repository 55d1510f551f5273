// TLS with peers that nobody here wrote: the real Envoy beside us, before us and behind us, curl, openssl.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { type LeafNames, TestCa, type TestCertificate } from '../fakes/pki.ts';
import {
  certificatesYaml,
  downstreamSocket,
  httpChain,
  inlineText,
  mutual,
  tlsInspector,
  upstreamSocket,
} from '../hostile/tls-sidecar.ts';
import { type Sidecar, startSidecar } from '../integration/sidecar.ts';
import { findPeer, skipWithout } from './peers.ts';
import { type RunningProxy, startProxy } from './proxies.ts';

const skip = skipWithout('envoy');
const chain = (socket: string, cluster = 'backend') =>
  httpChain(socket, '', cluster).replaceAll('\n', ' ').replace('access_log: [ACCESS_LOG],', '');

/** A listener `main` with one chain, and a cluster `backend`; `more`: fields of that cluster. */
const resources = (filterChain: string, listenPort: number, backendPort: number, more = '') => `
static_resources:
  listeners:
    - name: main
      stat_prefix: main
      address: { socket_address: { address: 127.0.0.1, port_value: ${listenPort} } }
      ${tlsInspector}
      filter_chains: [${filterChain}]
  clusters:
    - name: backend
      type: STATIC
      connect_timeout: 5s
      ${more}
      load_assignment: { cluster_name: backend, endpoints: [{ lb_endpoints: [{ endpoint: {
        address: { socket_address: { address: 127.0.0.1, port_value: ${backendPort} } } } }] }] }
`;

function startEnvoy(filterChain: string, backendPort: number, more = ''): Promise<RunningProxy> {
  return startProxy('envoy', findPeer('envoy') ?? '', ({ listen, admin }) => {
    const adminYaml = `admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${admin} } } }`;
    return adminYaml + resources(filterChain, listen, backendPort, more);
  });
}

/** One request on a connection of its own. */
function ask(port: number, options: tls.ConnectionOptions) {
  return new Promise<{ text: string; peer: X509Certificate | undefined }>((resolve) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    let text = '';
    let peer: X509Certificate | undefined;
    socket.on('secureConnect', () => {
      peer = socket.getPeerX509Certificate();
    });
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve({ text, peer }));
    socket.write('GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n');
  });
}

describe('TLS with real peers', { skip }, () => {
  let ca: TestCa;
  let leaf: TestCertificate;
  let application: http.Server;
  let applicationPort: number;
  before(async () => {
    ca = await TestCa.create();
    leaf = await ca.issue({ dns: ['a.test'], uri: ['spiffe://a.test/server'] });
    application = http.createServer((request, response) => {
      request.resume();
      response.end('served');
    });
    await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
    applicationPort = (application.address() as AddressInfo).port; // a TCP server has one
  });
  after(() => {
    application.closeAllConnections();
    application.close();
  });

  describe('side by side with Envoy', () => {
    /** What `ask` says of both, for each of the cases. */
    async function both<T>(
      filterChain: string,
      work: (port: number) => Promise<T>,
    ): Promise<{ ours: T; envoys: T }> {
      const ours = await startSidecar(resources(filterChain, 0, applicationPort));
      const envoy = await startEnvoy(filterChain, applicationPort);
      try {
        return { ours: await work(ours.port('main')), envoys: await work(envoy.ports.listen) };
      } finally {
        await ours.stop();
        await envoy.stop();
      }
    }

    for (const scan of [false, true]) {
      test(`the same certificate is chosen for each name and client (full scan: ${scan})`, async () => {
        const certificates = await Promise.all([
          ca.issue({ dns: ['a.test'], key: 'rsa' }),
          ca.issue({ dns: ['b.test', '*.w.test'] }),
          ca.issue({ dns: ['b.test'], key: 'rsa' }),
          ca.issue({ dns: ['x.w.test'], key: 'rsa' }),
        ]);
        const serials = certificates.map(
          (each) => new X509Certificate(each.certificatePem).serialNumber,
        );
        const context = `full_scan_certs_on_sni_mismatch: ${scan}, common_tls_context: { ${certificatesYaml(...certificates)} }`;
        const rsaOnly = { sigalgs: 'rsa_pss_rsae_sha256:rsa_pkcs1_sha256' };
        const work = async (port: number) => {
          const table: string[] = [];
          for (const servername of [
            '',
            'a.test',
            'b.test',
            'x.w.test',
            'y.w.test',
            'z.y.w.test',
            'nobody.test',
          ]) {
            for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
              for (const [who, more] of [
                ['any', {}],
                ['rsa', rsaOnly],
              ] as const) {
                const { peer } = await ask(port, { servername, maxVersion, ...more });
                const index = peer === undefined ? -1 : serials.indexOf(peer.serialNumber);
                table.push(`${servername} ${maxVersion} ${who}: ${index}`);
              }
            }
          }
          return table;
        };
        const { ours, envoys } = await both(chain(downstreamSocket(context)), work);
        assert.deepEqual(ours, envoys);
      });
    }

    test('the same client certificates are let in; where not, we are the stricter one', async () => {
      const other = await TestCa.create('other');
      const rule =
        'match_typed_subject_alt_names: [{ san_type: URI, matcher: { prefix: "spiffe://a.test/" } }]';
      const id = 'spiffe://a.test/client';
      const cases: readonly (readonly [string, LeafNames, TestCa?])[] = [
        ['good', { uri: [id] }],
        ['expired', { uri: [id], validDays: -1 }],
        ['not yet valid', { uri: [id], validFromDays: 1, validDays: 2 }],
        ['of another CA', { uri: [id] }, other],
        ['of another name', { uri: ['spiffe://b.test/client'] }],
        ['without names', {}],
        ['for servers only', { uri: [id], extendedKeyUsage: ['1.3.6.1.5.5.7.3.1'] }],
        ['with two names', { uri: [id, 'spiffe://a.test/other'] }],
        ['which is a CA', { uri: [id], ca: true }],
        ['with a path of its own kind', { uri: ['spiffe://a.test/ns/../client'] }],
      ];
      const presented = await Promise.all(
        cases.map(async ([name, names, issuer = ca]) => ({
          name,
          leaf: await issuer.issue(names),
        })),
      );
      const { ours, envoys } = await both(
        chain(downstreamSocket(mutual(leaf, ca, rule))),
        async (port) => {
          const served: string[] = [];
          for (const { name, leaf: shown } of presented) {
            const options = { cert: shown.certificatePem, key: shown.privateKeyPem };
            if ((await ask(port, options)).text.endsWith('served')) served.push(name);
          }
          if ((await ask(port, {})).text.endsWith('served')) served.push('none');
          return served;
        },
      );
      assert.deepEqual(ours, ['good']);
      // docs/differences.md, TLS: what names SPIFFE IDs wants SVIDs.
      assert.deepEqual(
        envoys.filter((name) => name !== 'good'),
        ['with two names', 'which is a CA', 'with a path of its own kind'],
      );
    });

    test('/certs has the same fields and values', async () => {
      const filterChain = chain(downstreamSocket(mutual(leaf, ca)));
      const ours = await startSidecar(resources(filterChain, 0, applicationPort));
      const envoy = await startEnvoy(filterChain, applicationPort);
      try {
        assert.deepEqual(
          JSON.parse(await ours.admin('/certs')),
          JSON.parse(await envoy.admin('/certs')),
        );
      } finally {
        await ours.stop();
        await envoy.stop();
      }
    });
  });

  for (const version of ['TLSv1_2', 'TLSv1_3']) {
    const trust = () =>
      `sni: a.test, common_tls_context: { tls_params: { tls_maximum_protocol_version: ${version} }, validation_context: { trusted_ca: ${inlineText(ca.certificatePem)}, match_typed_subject_alt_names: [{ san_type: DNS, matcher: { exact: a.test } }] } }`;
    const oneRequestEach = (context: string) => `${upstreamSocket(context)}
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          common_http_protocol_options: { max_requests_per_connection: 1 }
          explicit_http_config: { http_protocol_options: {} }`;
    const secured = () => `common_tls_context: { ${certificatesYaml(leaf)} }`;

    /** Requests one after the other; how many handshakes `stats` counts as resumed. */
    async function resumptions(port: number, stats: (filter: string) => Promise<string>) {
      for (let i = 0; i < 5; i++) {
        const response = await fetch(`http://127.0.0.1:${port}/`);
        assert.equal(await response.text(), 'served');
      }
      const text = await stats('/stats?filter=listener.main.*ssl.session_reused');
      return Number(/session_reused: (\d+)/.exec(text)?.[1]);
    }

    test(`Envoy as the client resumes its sessions with us (${version})`, async () => {
      const ours = await startSidecar(
        resources(chain(downstreamSocket(secured())), 0, applicationPort),
      );
      const envoy = await startEnvoy(chain(''), ours.port('main'), oneRequestEach(trust()));
      try {
        const resumed = await resumptions(envoy.ports.listen, (path) => ours.admin(path));
        assert.ok(resumed >= 2, `${resumed} of 5`);
      } finally {
        await envoy.stop();
        await ours.stop();
      }
    });

    test(`we as the client resume our sessions with Envoy (${version})`, async () => {
      const envoy = await startEnvoy(chain(downstreamSocket(secured())), applicationPort);
      let ours: Sidecar | null = null;
      try {
        ours = await startSidecar(
          resources(chain(''), 0, envoy.ports.listen, oneRequestEach(trust())),
        );
        const resumed = await resumptions(ours.port('main'), (path) => envoy.admin(path));
        assert.ok(resumed >= 2, `${resumed} of 5`);
        const stats = await ours.admin('/stats?filter=cluster.backend.ssl');
        assert.match(stats, /fail_verify_\w+: 0/);
        assert.match(
          stats,
          new RegExp(`versions.${version.replace('_', '.').replace('TLSv1.', 'TLSv1.')}: 5`),
        );
      } finally {
        await ours?.stop();
        await envoy.stop();
      }
    });
  }

  test('curl and openssl are served, and resume', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tls-peers-'));
    const path = join(directory, 'ca.pem');
    writeFileSync(path, ca.certificatePem);
    const context = `common_tls_context: { ${certificatesYaml(leaf)}, alpn_protocols: [http/1.1] }`;
    const ours = await startSidecar(
      resources(chain(downstreamSocket(context)), 0, applicationPort),
    );
    const port = ours.port('main');
    const run = async (command: string, args: readonly string[]) => {
      const { promisify } = await import('node:util');
      const { execFile } = await import('node:child_process');
      const child = promisify(execFile)(command, args);
      child.child.stdin?.end();
      return (await child).stdout;
    };
    try {
      for (const version of ['--tls-max 1.2', '--tlsv1.3']) {
        const text = await run('curl', [
          ...[
            '-s',
            '--cacert',
            path,
            '--resolve',
            `a.test:${port}:127.0.0.1`,
            ...version.split(' '),
          ],
          `https://a.test:${port}/`,
        ]);
        assert.equal(text, 'served');
      }
      // Six connections, the last five with the session of the first.
      const output = await run('openssl', [
        ...['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_2', '-reconnect', '-CAfile', path],
      ]);
      assert.equal(output.match(/^Reused, TLSv1.2/gm)?.length, 5);
      await ours.untilStat('listener.main.ssl.session_reused', (value) => value === 5);
    } finally {
      await ours.stop();
      rmSync(directory, { recursive: true, force: true });
    }
    assert.match(execFileSync('openssl', ['version']).toString(), /OpenSSL/);
  });
});
