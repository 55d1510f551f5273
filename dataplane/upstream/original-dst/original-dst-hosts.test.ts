import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeConnection } from '../../../test/fakes/connection.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import type { OriginalDstData } from '../../api/config/provided-hosts.ts';
import { RequestHeaders } from '../../api/headers.ts';
import { anyHost, type LoadBalancerContext } from '../../api/load-balancing.ts';
import type { StreamInfo } from '../../api/stream-info.ts';
import type { UpstreamHost } from '../host.ts';
import { MAX_ORIGINAL_DST_HOSTS, OriginalDstHosts } from './original-dst-hosts.ts';

function setUp(given: Partial<OriginalDstData> = {}) {
  const timers = new FakeTimers();
  const stats = { originalDstHostInvalid: 0, originalDstHostOverflow: 0 };
  const inUse = new Set<string>();
  const retired: string[] = [];
  const hosts = new OriginalDstHosts(
    {
      kind: 'ORIGINAL_DST',
      httpHeaderName: null,
      metadataPath: null,
      portOverride: null,
      cleanupIntervalMs: 5_000,
      ...given,
    },
    {
      timers,
      stats,
      hosts: {
        create: (ip, port) => {
          const addressText = `${ip}:${port}`;
          // No more of a host is used.
          return {
            addressText,
            cxActive: () => (inUse.has(addressText) ? 1 : 0),
          } as unknown as UpstreamHost;
        },
        retire: ({ addressText }) => retired.push(addressText),
      },
    },
  );
  const choose = (context: Partial<LoadBalancerContext>) =>
    hosts.choose({ ...anyHost, ...context })?.addressText ?? null;
  return { timers, stats, inUse, retired, hosts, choose };
}

function restored(ip: string, port: number, localAddressRestored = true): FakeConnection {
  return Object.assign(new FakeConnection(), { localAddress: { ip, port }, localAddressRestored });
}

const withHeader = (name: string, value: string) => {
  const headers = new RequestHeaders('GET', '/', 'a', 'http', [name, value]);
  return { requestHeaders: headers };
};

test('the restored destination of the connection is the host, the address of the socket is not', () => {
  const { choose } = setUp();
  assert.equal(choose({ downstreamConnection: restored('10.0.0.1', 80) }), '10.0.0.1:80');
  assert.equal(choose({ downstreamConnection: restored('::1', 80) }), '::1:80');
  assert.equal(choose({ downstreamConnection: restored('10.0.0.1', 80, false) }), null);
  assert.equal(choose({}), null);
});

test('metadata goes before the header, the header before the connection; what is no address is counted', () => {
  const { choose, stats } = setUp({ metadataPath: ['ns', 'to'], httpHeaderName: 'x-to' });
  const downstreamConnection = restored('10.0.0.1', 80);
  const info = (to: unknown) =>
    ({ streamInfo: { dynamicMetadata: { ns: { to } } } as unknown as StreamInfo }) as const;
  const header = withHeader('x-to', '10.0.0.2:80');
  const all = { downstreamConnection, ...header };
  assert.equal(choose({ ...all, ...info('10.0.0.3:80') }), '10.0.0.3:80');
  assert.equal(choose({ ...all, ...info(['10.0.0.4:80', 'x']) }), '10.0.0.4:80');
  assert.equal(choose({ ...all, ...info(7) }), '10.0.0.2:80');
  const tagged = Object.assign(restored('10.0.0.1', 80), {
    dynamicMetadata: { ns: { to: '10.0.0.5:80' } },
  });
  assert.equal(choose({ ...header, downstreamConnection: tagged }), '10.0.0.5:80');
  assert.equal(stats.originalDstHostInvalid, 0);
  assert.equal(choose({ ...all, ...info('orders:80') }), '10.0.0.2:80');
  assert.equal(stats.originalDstHostInvalid, 1);
  for (const text of ['10.0.0.2', 'orders:80', '/run/socket', '10.0.0.2:66000', '']) {
    assert.equal(choose({ downstreamConnection, ...withHeader('x-to', text) }), '10.0.0.1:80');
  }
  assert.equal(stats.originalDstHostInvalid, 6);
});

test('upstream_port_override replaces the port, whatever chose the address', () => {
  const { choose } = setUp({ httpHeaderName: 'x-to', portOverride: 99 });
  assert.equal(choose({ downstreamConnection: restored('10.0.0.1', 80) }), '10.0.0.1:99');
  assert.equal(choose(withHeader('x-to', '10.0.0.2:80')), '10.0.0.2:99');
});

test('a host stays while it is chosen or has connections, and is retired at the second cleanup after', () => {
  const { choose, timers, retired, inUse, hosts } = setUp();
  const downstreamConnection = restored('10.0.0.1', 80);
  choose({ downstreamConnection });
  timers.advance(5_000);
  choose({ downstreamConnection });
  timers.advance(5_000);
  inUse.add('10.0.0.1:80');
  timers.advance(10_000);
  assert.deepEqual(retired, []);
  inUse.clear();
  timers.advance(5_000);
  assert.deepEqual(retired, ['10.0.0.1:80']);
  assert.deepEqual([...hosts.hosts()], []);
  assert.equal(timers.armedCount(), 0, 'no host, no timer');
});

test('one host more than the limit is refused and counted', () => {
  const { hosts, stats } = setUp({ httpHeaderName: 'x-to' });
  const pick = (n: number) =>
    hosts.choose({
      ...anyHost,
      ...withHeader('x-to', `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}:80`),
    });
  for (let n = 0; n < MAX_ORIGINAL_DST_HOSTS; n++) assert.notEqual(pick(n), null);
  assert.equal(pick(MAX_ORIGINAL_DST_HOSTS), null);
  assert.equal(stats.originalDstHostOverflow, 1);
  assert.notEqual(pick(0), null, 'those that are there go on');
});

test('close retires every host and leaves no timer; a late retry gets a host of its own', () => {
  const { choose, hosts, retired, timers } = setUp();
  choose({ downstreamConnection: restored('10.0.0.1', 80) });
  hosts.close();
  assert.equal(choose({ downstreamConnection: restored('10.0.0.2', 80) }), '10.0.0.2:80');
  assert.deepEqual(retired, ['10.0.0.1:80', '10.0.0.2:80']);
  assert.equal(timers.armedCount(), 0);
});
