// What a PROXY header's TLV says of a connection chooses the subset, of its HTTP requests and of raw TCP, as in Envoy.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type Sidecar, startSidecar } from '../../integration/sidecar.ts';
import { findPeer, skipWithout } from '../peers.ts';
import { freePort, type RunningProxy, startProxy } from '../proxies.ts';
import { bootstrap, type Scenario, startUpstreams, type Upstreams, yamlOf } from './scenario.ts';

const types = 'type.googleapis.com/envoy.extensions';
const TLV_TYPE = 0xea;

const scenario: Scenario = {
  name: 's',
  endpoints: [
    { host: 0, lb: { version: 'v1', stage: 'prod' } },
    { host: 1, lb: { version: 'v2', stage: 'prod' } },
    { host: 2, lb: { version: 'v2', stage: 'dev' } },
  ],
  cluster: {
    lb_subset_config: {
      subset_selectors: [{ keys: ['version'] }, { keys: ['stage', 'version'] }],
    },
  },
  routes: { plain: null, prod: { stage: 'prod', version: 'v1' } },
  runs: [],
};

const proxyProtocol = {
  name: 'envoy.filters.listener.proxy_protocol',
  typed_config: {
    '@type': `${types}.filters.listener.proxy_protocol.v3.ProxyProtocol`,
    rules: [
      {
        tlv_type: TLV_TYPE,
        on_tlv_present: { metadata_namespace: 'envoy.lb', key: 'version' },
      },
    ],
  },
};

function tcpListener(name: string, port: number, lb: Readonly<Record<string, unknown>> | null) {
  const tcpProxy = {
    '@type': `${types}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: name,
    cluster: 's',
    ...(lb === null ? {} : { metadata_match: { filter_metadata: { 'envoy.lb': lb } } }),
  };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    listener_filters: [proxyProtocol],
    filter_chains: [
      { filters: [{ name: 'envoy.filters.network.tcp_proxy', typed_config: tcpProxy }] },
    ],
  };
}

type Ports = Readonly<Record<'ingress' | 'tcp' | 'tcp-dev', number>>;

function config(upstreams: readonly number[], ports: Ports): Record<string, unknown> {
  const resources = bootstrap([scenario], upstreams, ports.ingress)['static_resources'] as {
    readonly listeners: readonly object[]; // as bootstrap makes it
  };
  return {
    static_resources: {
      ...resources,
      listeners: [
        { ...resources.listeners[0], listener_filters: [proxyProtocol] },
        tcpListener('tcp', ports.tcp, null),
        tcpListener('tcp-dev', ports['tcp-dev'], { stage: 'dev', version: 'v1' }),
      ],
    },
  };
}

/** PROXY version 2 over IPv4. */
function header(version: string | null): Buffer {
  const tlv =
    version === null
      ? Buffer.alloc(0)
      : Buffer.concat([Buffer.from([TLV_TYPE, 0, version.length]), Buffer.from(version)]);
  const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
  const start = Buffer.from([0x21, 0x11, 0, 12 + tlv.length]);
  const addresses = Buffer.from([127, 0, 0, 1, 127, 0, 0, 1, 0x12, 0x34, 0, 80]);
  return Buffer.concat([signature, start, addresses, tlv]);
}

/** Status and body, '' = the connection was closed. */
function ask(port: number, version: string | null, path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let text = '';
    socket.write(header(version));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      // Envoy closes a second later.
      if (/^HTTP.1.1 (503|200.*\r\n\r\n.*\d)/s.test(text)) socket.destroy();
    });
    socket.on('error', () => {}); // a close follows
    socket.on('close', () => {
      const [head = '', body = ''] = text.split('\r\n\r\n');
      resolve(text === '' ? '' : `${head.slice(9, 12)} ${/\d/.exec(body)?.[0] ?? ''}`);
    });
  });
}

describe('metadata of a connection side by side with Envoy', { skip: skipWithout('envoy') }, () => {
  let upstreams: Upstreams;
  let envoy: RunningProxy;
  let remora: Sidecar;
  let envoyPorts: Ports;

  before(async () => {
    upstreams = await startUpstreams();
    envoyPorts = {
      ingress: await freePort(),
      tcp: await freePort(),
      'tcp-dev': await freePort(),
    };
    envoy = await startProxy('envoy', findPeer('envoy') ?? '', ({ admin }) =>
      JSON.stringify({
        admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
        ...config(upstreams.ports, envoyPorts),
      }),
    );
    const any = { ingress: 0, tcp: 0, 'tcp-dev': 0 };
    remora = await startSidecar(yamlOf(config(upstreams.ports, any)));
  });

  after(async () => {
    await envoy?.stop();
    await remora?.stop();
    upstreams?.close();
  });

  for (const [listener, path] of [
    ['ingress', '/s/plain'],
    ['ingress', '/s/prod'],
    ['tcp', '/'],
    ['tcp-dev', '/'],
  ] as const) {
    test(`${listener} ${path}`, async () => {
      for (const version of [null, 'v1', 'v2', 'v3']) {
        const answers = async (port: number) => {
          const seen = new Set<string>();
          for (let i = 0; i < 4; i++) seen.add(await ask(port, version, path));
          return [...seen].sort();
        };
        const expected = await answers(envoyPorts[listener]);
        assert.deepEqual(await answers(remora.port(listener)), expected, String(version));
      }
    });
  }
});
