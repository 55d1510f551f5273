// Listeners side by side with Envoy: which PROXY headers are taken and what they restore, and which filter
// chain a connection gets.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { type Sidecar, startSidecar } from '../integration/sidecar.ts';
import { findPeer, skipWithout } from './peers.ts';
import { freePort, type RunningProxy, startProxy } from './proxies.ts';
import { payloadOf, proxyHeaderCases } from './proxy-headers.ts';

const type = 'type.googleapis.com/envoy.extensions';
const proxyProtocol = (fields: string): string =>
  `{name: p, typed_config: {"@type": ${type}.filters.listener.proxy_protocol.v3.ProxyProtocol, ${fields}}}`;
const rules =
  'rules: [{tlv_type: 2, on_tlv_present: {key: authority}}, {tlv_type: 226, on_tlv_present: {metadata_namespace: mine, key: it}}]';
const directResponse = (text: string): string =>
  `{name: d, typed_config: {"@type": ${type}.filters.network.direct_response.v3.Config, response: {inline_string: "${text}"}}}`;

/** The three listeners; the name of the chain is what a client reads. */
function bootstrap(ports: readonly number[], log: string, chains: string): string {
  const listener = (name: string, i: number, filters: string, chainList: string): string => `
  - name: ${name}
    address: { socket_address: { address: 127.0.0.1, port_value: ${ports[i]} } }
    stat_prefix: ${name}
    listener_filters_timeout: 2s
    access_log:
    - name: l
      typed_config:
        "@type": ${type}.access_loggers.file.v3.FileAccessLog
        path: ${log}
        log_format: { text_format_source: { inline_string: "${name} %FILTER_CHAIN_NAME% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol)% %DYNAMIC_METADATA(mine)%\\n" } }
    listener_filters: [${filters}]
    filter_chains: [${chainList}]`;
  const only = `{name: only, filters: [${directResponse('only')}]}`;
  const inspectors = `${proxyProtocol('')}, {name: t, typed_config: {"@type": ${type}.filters.listener.tls_inspector.v3.TlsInspector}}, {name: h, typed_config: {"@type": ${type}.filters.listener.http_inspector.v3.HttpInspector}}`;
  return `static_resources:
  listeners:
${listener('strict', 0, proxyProtocol(rules), only)}
${listener('lenient', 1, proxyProtocol(`${rules}, allow_requests_without_proxy_protocol: true, disallowed_versions: [V1]`), only)}
${listener('matching', 2, inspectors, chains)}
`;
}

// -- filter chains ---------------------------------------------------------------------------------

const ips = [
  '10.0.0.1',
  '10.0.1.1',
  '10.1.0.1',
  '127.0.0.1',
  '127.0.0.2',
  'fd00::1',
  '2001:db8::1',
];
const ranges = ['10.0.0.0/8', '10.0.0.0/16', '10.0.0.1/32', '127.0.0.0/8', 'fd00::/8', '0.0.0.0/1'];
const patterns = ['a.b.test', '*.b.test', '*.test', '*.a.b.test', 'b.test'];
const protocols = ['h2', 'http/1.1', 'http/1.0', 'h2c', 'istio'];
const ports = [80, 443, 8080];

const list = (values: readonly (string | number)[]): string =>
  `[${values
    .map(String)
    .map((value) => JSON.stringify(value))
    .join(', ')}]`;
const cidrs = (values: readonly string[]): string =>
  `[${values.map((value) => `{address_prefix: "${value.split('/')[0]}", prefix_len: ${value.split('/')[1]}}`).join(', ')}]`;
const optional = <T>(values: readonly T[]): fc.Arbitrary<T[]> =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constant<T[]>([]) },
    { weight: 1, arbitrary: fc.subarray([...values], { minLength: 1, maxLength: 2 }) },
  );

const chainMatch: fc.Arbitrary<string> = fc
  .record({
    port: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 0, ...ports),
    destination: optional(ranges),
    names: optional(patterns),
    transport: fc.constantFrom('', '', '', '', '', '', 'tls', 'raw_buffer'),
    protocols: optional(protocols),
    direct: optional(['127.0.0.0/8', '10.0.0.0/8']),
    source: fc.constantFrom('ANY', 'ANY', 'ANY', 'ANY', 'SAME_IP_OR_LOOPBACK', 'EXTERNAL'),
    sources: optional(ranges),
    sourcePorts: optional(ports),
  })
  .map((match) =>
    [
      match.port === 0 ? '' : `destination_port: ${match.port}`,
      match.destination.length === 0 ? '' : `prefix_ranges: ${cidrs(match.destination)}`,
      match.names.length === 0 ? '' : `server_names: ${list(match.names)}`,
      match.transport === '' ? '' : `transport_protocol: ${match.transport}`,
      match.protocols.length === 0 ? '' : `application_protocols: ${list(match.protocols)}`,
      match.direct.length === 0 ? '' : `direct_source_prefix_ranges: ${cidrs(match.direct)}`,
      match.source === 'ANY' ? '' : `source_type: ${match.source}`,
      match.sources.length === 0 ? '' : `source_prefix_ranges: ${cidrs(match.sources)}`,
      match.sourcePorts.length === 0 ? '' : `source_ports: [${match.sourcePorts.join(', ')}]`,
    ]
      .filter((field) => field !== '')
      .join(', '),
  );

/** One port that no chain names: only such connections get past the first step to the chains without one. */
const endpoint = fc.record({
  ip: fc.constantFrom(...ips, '8.8.8.8'),
  port: fc.constantFrom(...ports, 9999, 9999),
});
const opening: fc.Arbitrary<Buffer> = fc.oneof(
  fc.constantFrom(
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.from('GET / HTTP/1.0\r\n\r\n'),
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    Buffer.from('\0\x01binary\r\n'),
  ),
  fc
    .record({
      name: fc.constantFrom('a.b.test', 'x.a.b.test', 'c.test', 'other', ''),
      alpn: fc.shuffledSubarray(['h2', 'http/1.1', 'istio']),
    })
    .map(({ name, alpn }) => clientHello(name, alpn)),
);
const client = fc.record({ source: endpoint, destination: endpoint, opening });

function clientHello(serverName: string, alpn: readonly string[]): Buffer {
  const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 0xff]);
  const extension = (id: number, body: Buffer): Buffer =>
    Buffer.concat([u16(id), u16(body.length), body]);
  const name = Buffer.from(serverName);
  const sni = Buffer.concat([u16(name.length + 3), Buffer.from([0]), u16(name.length), name]);
  const protocolNames = Buffer.concat(
    alpn.map((p) => Buffer.concat([Buffer.from([p.length]), Buffer.from(p)])),
  );
  const extensions = Buffer.concat([
    ...(serverName === '' ? [] : [extension(0, sni)]),
    ...(alpn.length === 0
      ? []
      : [extension(16, Buffer.concat([u16(protocolNames.length), protocolNames]))]),
    // What BoringSSL wants to see before it calls a ClientHello one.
    extension(43, Buffer.from([2, 3, 4])),
    extension(10, Buffer.from([0, 2, 0, 29])),
    extension(13, Buffer.from([0, 2, 4, 3])),
  ]);
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32),
    Buffer.from([0, 0, 2, 0x13, 0x01, 1, 0]),
    u16(extensions.length),
    extensions,
  ]);
  const handshake = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  return Buffer.concat([Buffer.from([22, 3, 1]), u16(handshake.length), handshake]);
}

function proxyHeader({
  source,
  destination,
}: {
  source: { ip: string; port: number };
  destination: { ip: string; port: number };
}): string {
  // A header names one family; an IPv6 form of an IPv4 address would be one more thing to differ in.
  const family = source.ip.includes(':') ? 'TCP6' : 'TCP4';
  return `PROXY ${family} ${source.ip} ${destination.ip} ${source.port} ${destination.port}\r\n`;
}

/** What a client reads until the connection ends. */
function talk(port: number, payload: Buffer, isByteByByte = false): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    socket.setNoDelay(true);
    if (!isByteByByte) socket.write(payload);
    else for (const byte of payload) socket.write(Buffer.from([byte]));
  });
}

describe('listeners side by side with Envoy', { skip: skipWithout('envoy') }, () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-listeners-'));
  const logs = { envoy: join(directory, 'envoy.log'), remora: join(directory, 'remora.log') };
  let envoy: RunningProxy;
  let remora: Sidecar;
  let envoyPorts: number[];
  // The same chains in every run: a difference must be seen again.
  const matches = [...new Set(fc.sample(chainMatch, { numRuns: 250, seed: 7 }))];

  before(async () => {
    const binary = findPeer('envoy');
    assert.ok(binary !== null);
    envoyPorts = [await freePort(), await freePort(), await freePort()];
    // Chains that overlap are refused by both; keep those that are not, one by one.
    const kept: string[] = [];
    const { resourceErrors } = await import('../fakes/config.ts');
    const chainText = (match: string, i: number): string =>
      `{name: c${i}, filter_chain_match: {${match}}, filters: [${directResponse(`c${i}`)}]}`;
    const listenerOf = (texts: readonly string[]): string =>
      `{name: l, address: {socket_address: {address: 127.0.0.1, port_value: 1}}, filter_chains: [${texts.join(', ')}]}`;
    for (const [i, match] of matches.entries()) {
      const candidate = chainText(match, i);
      if (resourceErrors('listener', listenerOf([...kept, candidate])).length === 0)
        kept.push(candidate);
    }
    assert.ok(kept.length > 50, `${kept.length} chains`);
    envoy = await startProxy(
      'envoy',
      binary,
      ({ admin }) =>
        `admin: { address: { socket_address: { address: 127.0.0.1, port_value: ${admin} } } }\n${bootstrap(envoyPorts, logs.envoy, kept.join(', '))}`,
    );
    remora = await startSidecar(bootstrap([0, 0, 0], logs.remora, kept.join(', ')));
  });

  after(async () => {
    await Promise.all([envoy.stop(), remora.stop()]);
    rmSync(directory, { recursive: true, force: true });
  });

  const portOf = (proxy: 'envoy' | 'remora', listener: string): number =>
    proxy === 'remora'
      ? remora.port(listener)
      : envoyPorts[['strict', 'lenient', 'matching'].indexOf(listener)]!;

  async function counters(proxy: 'envoy' | 'remora'): Promise<Map<string, number>> {
    const text = await (proxy === 'envoy' ? envoy : remora).admin('/stats');
    const wanted =
      /^(proxy_proto\.|downstream_cx_proxy_proto_error|listener\.(strict|lenient)\.(no_filter|downstream_(pre_cx_timeout|listener_filter|cx_total)))/;
    return new Map(
      text
        .split('\n')
        .filter((line) => wanted.test(line))
        .map((line) => [line.split(': ')[0]!, Number(line.split(': ')[1])]),
    );
  }

  /** Client's view and what was counted. */
  async function observe(
    proxy: 'envoy' | 'remora',
    listener: string,
    payload: Buffer,
  ): Promise<unknown> {
    const before = await counters(proxy);
    const answer = await talk(portOf(proxy, listener), payload);
    const moved = [...(await counters(proxy))]
      .filter(([name, value]) => value !== before.get(name))
      .map(([name, value]) => `${name} +${value - (before.get(name) ?? 0)}`);
    return { answer, moved: moved.sort() };
  }

  for (const listener of ['strict', 'lenient']) {
    for (const proxyCase of proxyHeaderCases) {
      test(`PROXY header, ${listener}: ${proxyCase.name}`, async () => {
        const payload = payloadOf(proxyCase);
        const [theirs, ours] = await Promise.all([
          observe('envoy', listener, payload),
          observe('remora', listener, payload),
        ]);
        // Where version 1 is not allowed at all there is nothing to be stricter about.
        if (proxyCase.isStricter === true && listener === 'strict') {
          assert.deepEqual(ours, {
            answer: '',
            moved: ['downstream_cx_proxy_proto_error +1', 'proxy_proto.versions.v1.error +1'],
          });
        } else assert.deepEqual(ours, theirs);
      });
    }
  }

  test('PROXY headers byte by byte', async () => {
    for (const proxyCase of proxyHeaderCases) {
      const payload = payloadOf(proxyCase);
      if (payload.length > 1000) continue;
      const port = portOf('remora', 'strict');
      const whole = await talk(port, payload);
      assert.equal(await talk(port, payload, true), whole, proxyCase.name);
    }
  });

  test('filter chains, chosen for random connections', async () => {
    const clients = fc.sample(client, { numRuns: 600, seed: 11 });
    const seen = new Set<string>();
    for (const [i, connection] of clients.entries()) {
      const isMixed =
        connection.source.ip.includes(':') !== connection.destination.ip.includes(':');
      if (isMixed) continue;
      const payload = Buffer.concat([Buffer.from(proxyHeader(connection)), connection.opening]);
      const [theirs, ours] = await Promise.all([
        talk(portOf('envoy', 'matching'), payload),
        talk(portOf('remora', 'matching'), payload),
      ]);
      assert.equal(ours, theirs, `connection ${i}: ${JSON.stringify(connection)}`);
      seen.add(ours);
    }
    assert.ok(seen.size > 15, `only ${seen.size} different chains were chosen`);
  });

  test('the access log says the same of each connection', async () => {
    const lines = (proxy: 'envoy' | 'remora'): string[] =>
      readFileSync(logs[proxy], 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('lenient'))
        .map((line) => line.replace(/127\.0\.0\.1:\d+/g, '127.0.0.1:*'))
        .sort();
    const deadline = performance.now() + 15_000;
    while (lines('remora').length < lines('envoy').length && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.deepEqual(lines('remora'), lines('envoy'));
    assert.ok(lines('envoy').length >= proxyHeaderCases.length);
  });
});
