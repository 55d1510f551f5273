// The way of a real socket through listener filters, chain match and TLS; the rest of the listener is faked.

import assert from 'node:assert/strict';
import net, { type AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import tls from 'node:tls';
import { TimerWheel } from '../../common/timer.ts';
import { TestCa } from '../../test/fakes/pki.ts';
import { downstreamTls, inlineCertificate } from '../../test/fakes/tls.ts';
import { tlsInspectorForTest } from '../../test/fakes/tls-inspector.ts';
import type { FilterChainConfig, ListenerConfig } from '../api/config/listener.ts';
import type { TlsInfo } from '../api/connection.ts';
import type { ConnectionProperties } from '../api/listener-filter.ts';
import { AcceptedHandle } from '../network/accepted-handle.ts';
import { type AcceptedStreamHandle, acceptHandles } from '../network/stream-handle.ts';
import { SecretStore } from '../tls/secret-store.ts';
import { SslStats } from '../tls/ssl-stats.ts';
import {
  AcceptingConnection,
  type AcceptingListener,
  type Rejection,
} from './accepting-connection.ts';
import { FilterChain } from './filter-chain.ts';
import { FilterChainMatcher } from './filter-chain-match.ts';
import { ListenerStats } from './listener-stats.ts';

interface Served {
  readonly chain: string;
  readonly properties: ConnectionProperties;
  readonly tls: TlsInfo | null;
  /** What the first reader behind the chain gets. */
  readonly firstBytes: string;
}

const match: FilterChainConfig['match'] = {
  destinationPort: 0,
  prefixRanges: [],
  serverNames: [],
  transportProtocol: '',
  applicationProtocols: [],
  directSourcePrefixRanges: [],
  sourceType: 'ANY',
  sourcePrefixRanges: [],
  sourcePorts: [],
};

describe('an accepted connection', () => {
  const stats = new ListenerStats();
  let server: net.Server;
  let port: number;
  let ca: TestCa;
  const rejections: Rejection[] = [];
  let onServed: (served: Served) => void = () => {};

  before(async () => {
    ca = await TestCa.create();
    const leaf = await ca.issue({ dns: ['orders.test'] });
    const chain = (
      name: string,
      transportProtocol: 'tls' | 'raw_buffer',
      serverNames: string[],
    ) => {
      const config: FilterChainConfig = {
        name,
        match: { ...match, transportProtocol, serverNames },
        tls:
          transportProtocol === 'raw_buffer'
            ? null
            : downstreamTls({ certificates: [inlineCertificate(leaf)] }),
        filters: [],
        transportSocketConnectTimeoutMs: 0,
      };
      const built = new FilterChain(config, [], new SecretStore(), new SslStats());
      return { chain: built, match: config.match };
    };
    const listener: AcceptingListener = {
      config: {
        listenerFilters: [{ name: 'i', extension: 'i', data: null, disabled: null }],
        useOriginalDst: false,
        listenerFiltersTimeoutMs: 200,
        continueOnListenerFiltersTimeout: false,
      } as unknown as ListenerConfig, // the fields that are read
      stats,
      timers: new TimerWheel(),
      matcher: new FilterChainMatcher(
        [chain('secure', 'tls', ['orders.test']), chain('plain', 'raw_buffer', [])],
        null,
      ),
      listenerFilters: [tlsInspectorForTest],
      serve: (served, socket, properties, tlsInfo) => {
        assert.ok(socket instanceof net.Socket, 'a listener filter has read it');
        socket.once('data', (chunk: Buffer) => {
          onServed({
            chain: served.config.name,
            properties,
            tls: tlsInfo,
            firstBytes: chunk.toString(),
          });
          socket.destroy();
        });
        socket.resume();
      },
      accepting: new Set(),
      nowMs: () => 0,
      handOff: () => false,
      onRejected: (_properties, rejection) => rejections.push(rejection),
      onAcceptingEnded: () => {},
    };
    const accept = (handle: AcceptedStreamHandle) =>
      new AcceptingConnection(listener, new AcceptedHandle(handle), {
        remoteAddress: { ip: '127.0.0.1', port: 1 },
        directRemoteAddress: { ip: '127.0.0.1', port: 1 },
        localAddress: { ip: '127.0.0.1', port: 2 },
        localAddressRestored: false,
        transportProtocol: '',
        serverName: '',
        applicationProtocols: [],
        dynamicMetadata: null,
        proxyProtocol: null,
      }).start();
    server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    acceptHandles(server, accept, (errno) => assert.fail(String(errno)));
    port = (server.address() as AddressInfo).port;
  });

  after(() => server.close());

  function served(): Promise<Served> {
    return new Promise((resolve) => {
      onServed = resolve;
    });
  }

  test('in plaintext gets the plaintext chain with every peeked byte', async () => {
    const result = served();
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\n\r\n');
    const { chain, tls: info, firstBytes } = await result;
    assert.deepEqual([chain, info, firstBytes], ['plain', null, 'GET / HTTP/1.1\r\n\r\n']);
  });

  test('in TLS gets the chain of its server name and is decrypted', async () => {
    const result = served();
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      servername: 'orders.test',
      ca: ca.certificatePem,
      checkServerIdentity: () => undefined,
    });
    socket.on('error', () => {});
    socket.write('hello');
    const { chain, properties, tls: info, firstBytes } = await result;
    assert.equal(chain, 'secure');
    assert.equal(properties.serverName, 'orders.test');
    assert.equal(info?.version, 'TLSv1.3');
    assert.equal(firstBytes, 'hello');
  });

  test('without a chain for it is closed and counted', async () => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername: 'other.test' });
    await new Promise<void>((resolve) => {
      socket.on('error', () => {});
      socket.on('close', () => resolve());
    });
    assert.equal(stats.noFilterChainMatch, 1);
  });

  test('that says nothing is closed when listener_filters_timeout is over', async () => {
    const socket = net.connect(port, '127.0.0.1');
    await new Promise<void>((resolve) => socket.on('close', () => resolve()).resume());
    assert.equal(stats.preCxTimeout, 1);
    assert.equal(stats.preCxActive, 0);
  });
});
