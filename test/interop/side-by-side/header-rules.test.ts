// The connection manager's header rules (who the client is, what is added, stripped, echoed), option by
// option, against Envoy: each variant is a listener of its own in both proxies and gets the same requests.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { TestCa, type TestCertificate } from '../../fakes/pki.ts';
import { skipWithout } from '../peers.ts';
import { type RecordingBackend, startBackend } from './backend.ts';
import { type Exchange, exchange } from './exchange.ts';
import { type HeaderRule, plainRules, replyRules, tlsRules } from './header-rules.ts';
import { type ProxyKind, startVariants, type VariantProxies } from './variants.ts';

/** Made up per request; only their presence is compared. */
const generated = new Set(['date', 'x-envoy-upstream-service-time']);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Ids that a test chose are kept; made-up ones keep the digit that carries the trace decision. */
function masked(headers: readonly (readonly [string, string])[], sent: string): string[] {
  return headers.map(([name, value]) => {
    if (generated.has(name)) return `${name}: *`;
    const uuid = name === 'x-request-id' && !sent.includes(value) ? UUID.exec(value) : null;
    return `${name}: ${uuid === null ? value : `uuid ${uuid[1]}`}`;
  });
}

function clientView({ responses, closed }: Exchange, sent: string): unknown {
  return {
    closed,
    responses: responses.map(({ status, headers, body }) => ({
      status,
      headers: masked(headers, sent),
      body,
    })),
  };
}

/** One request over TLS; the response's status line and headers, or what went wrong. */
function tlsExchange(
  port: number,
  bytes: string,
  client: TestCertificate | null,
): Promise<Exchange> {
  return new Promise((resolve) => {
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ...(client === null ? {} : { cert: client.certificatePem, key: client.privateKeyPem }),
    });
    let text = '';
    const finish = () => {
      socket.destroy();
      const status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
      resolve({
        interim: [],
        closed: false,
        rest: '',
        responses: [{ status, headers: [], body: '' }],
      });
    };
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\r\n\r\n')) finish();
    });
    socket.on('error', finish);
    socket.on('close', finish);
    socket.write(Buffer.from(bytes, 'latin1'));
  });
}

const differences = readFileSync(new URL('../../../docs/differences.md', import.meta.url), 'utf8');

describe('header rules side by side with Envoy', { skip: skipWithout('envoy') }, () => {
  let backend: RecordingBackend;
  let proxies: VariantProxies;
  let client: TestCertificate;

  before(async () => {
    backend = await startBackend();
    const ca = await TestCa.create();
    const server = await ca.issue({ uri: ['spiffe://test/server'], dns: ['server.test'] });
    client = await ca.issue({
      uri: ['spiffe://test/client'],
      dns: ['client.test', 'other.test'],
    });
    const text = (pem: string) => `{ inline_string: ${JSON.stringify(pem)} }`;
    const transportSocket = `{ name: envoy.transport_sockets.tls, typed_config: { "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext, common_tls_context: { tls_certificates: [{ certificate_chain: ${text(server.certificatePem)}, private_key: ${text(server.privateKeyPem)} }], validation_context: { trusted_ca: ${text(ca.certificatePem)} } } } }`;
    proxies = await startVariants(
      [...plainRules, ...replyRules, ...tlsRules.map((rule) => ({ ...rule, transportSocket }))],
      backend.port,
    );
  });

  after(async () => {
    await proxies?.stop();
    await backend?.close();
  });

  async function observe(kind: ProxyKind, rule: HeaderRule, bytes: string, certificate: boolean) {
    backend.take();
    const port = proxies.port(kind, rule.name);
    const result = tlsRules.includes(rule)
      ? await tlsExchange(port, bytes, certificate ? client : null)
      : await exchange(port, bytes, rule.responses ?? 1, bytes.startsWith('HEAD'), 0);
    const own = `x-forwarded-port: ${port}`;
    return {
      client: clientView(result, bytes),
      upstream: backend.take().map((seen) => ({
        ...seen,
        headers: masked(seen.headers, bytes).map((line) =>
          line === own ? 'x-forwarded-port: ours' : line,
        ),
      })),
    };
  }

  for (const rule of [...plainRules, ...replyRules, ...tlsRules]) {
    for (const [name, bytes] of rule.requests) {
      for (const certificate of tlsRules.includes(rule) ? [true, false] : [false]) {
        test(`${rule.name}: ${name}${certificate ? ', client certificate' : ''}`, async () => {
          const envoy = await observe('envoy', rule, bytes, certificate);
          const remora = await observe('remora', rule, bytes, certificate);
          const difference = rule.differences?.[name];
          if (difference === undefined) {
            assert.deepEqual(remora, envoy);
            return;
          }
          assert.ok(differences.includes(difference), `not in docs/differences.md: ${difference}`);
          assert.notDeepEqual(remora, envoy, 'no longer differs: take the mark off');
        });
      }
    }
  }
});
