// Cluster types beside a running Envoy: the same name server, the same upstreams, the same requests. Answers, flags,
// details, chosen hosts and counters must be the same; what differs on purpose is asked for on each side alone.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findPeer, skipWithout } from '../peers.ts';
import { freePort, type RunningProxy, startProxy } from '../proxies.ts';
import { bootstrap, get, proxyHeader, Scene } from './scene.ts';

const kinds = ['envoy', 'remora'] as const;
type Kind = (typeof kinds)[number];
const TIMEOUT_MS = 10_000;

/** One proxy with a scene of its own, so that both can be driven at once. */
class Side {
  readonly scene: Scene;
  readonly proxy: RunningProxy;
  readonly ports: { readonly http: number; readonly restored: number; readonly tcp: number };
  readonly #log: string;
  readonly #unread: string[] = [];
  #asked = 0;

  private constructor(scene: Scene, proxy: RunningProxy, ports: Side['ports'], log: string) {
    this.scene = scene;
    this.proxy = proxy;
    this.ports = ports;
    this.#log = log;
  }

  static async start(kind: Kind): Promise<Side> {
    const scene = await Scene.start(4);
    const more = { restored: await freePort(), tcp: await freePort() };
    scene.dns.set('strict.test', ['127.0.0.2', '127.0.0.3']);
    scene.dns.set('logical.test', ['127.0.0.2', '127.0.0.3']);
    let log = '';
    const proxy = await startProxy(kind, findPeer('envoy') ?? '', (ports, directory) => {
      log = join(directory, 'access.log');
      return bootstrap(scene, { http: ports.listen, admin: ports.admin, ...more }, log);
    });
    return new Side(scene, proxy, { http: proxy.ports.listen, ...more }, log);
  }

  /** Status and body; the log line comes with logLines(). Ports in them are `PORT`. */
  async ask(
    path: string,
    headers: Readonly<Record<string, string>> = {},
    listener: keyof Side['ports'] = 'http',
    restored = '',
    tlv = '',
  ): Promise<string> {
    const id = `n${++this.#asked}`;
    const { port } = this.scene;
    const proxy = restored === '' ? '' : proxyHeader(restored, port, this.#real(tlv));
    const named = Object.entries(headers).map(([name, value]) => [name, this.#real(value)]);
    const fields = { ...Object.fromEntries(named), 'x-n': id };
    const { status, body } = await get(this.ports[listener], path, fields, proxy);
    if (listener !== 'tcp') this.#unread.push(id);
    return this.#masked(`${status} ${body}`);
  }

  /** Of all requests since the last call, in their order. */
  async logLines(): Promise<string[]> {
    const ids = this.#unread.splice(0);
    let lines: string[] = [];
    await this.#until(`log of ${ids.join(' ')}`, async () => {
      const log = readFileSync(this.#log, 'utf8').split('\n');
      lines = ids.flatMap((id) => log.filter((line) => line.startsWith(`${id} `)));
      return lines.length === ids.length;
    });
    return lines.map((line) => this.#masked(line.slice(line.indexOf(' ') + 1)));
  }

  async stats(...names: readonly string[]): Promise<string[]> {
    const lines = (await this.proxy.admin('/stats')).split('\n');
    return lines.filter((line) => names.includes(line.split(':')[0] ?? ''));
  }

  /** Until the stat is at least that. */
  async until(stat: string, least: number): Promise<void> {
    await this.#until(stat, async () => {
      const [line = ''] = await this.stats(stat);
      return Number(line.split(': ')[1] ?? 0) >= least;
    });
  }

  /** Until /clusters shows (or does not show) that host. */
  async untilHost(cluster: string, ip: string, shown: boolean): Promise<void> {
    const line = `${cluster}::${ip}:${this.scene.port}::cx_total`;
    await this.#until(
      line,
      async () => (await this.proxy.admin('/clusters')).includes(line) === shown,
    );
  }

  async stop(): Promise<void> {
    await this.proxy.stop();
    await this.scene[Symbol.asyncDispose]();
  }

  #real(value: string): string {
    return value.replaceAll('PORT', String(this.scene.port));
  }

  #masked(text: string): string {
    return text.replaceAll(`:${this.scene.port}`, ':PORT');
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + TIMEOUT_MS;
    while (!(await holds())) {
      if (performance.now() > deadline) assert.fail(`${what}\n${this.proxy.output()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe('cluster types beside Envoy', { skip: skipWithout('envoy') }, () => {
  let sides: readonly Side[] = [];

  before(async () => {
    sides = await Promise.all(kinds.map((kind) => Side.start(kind)));
  });
  after(async () => {
    await Promise.all(sides.map((side) => side.stop()));
  });

  /** What both sides observe and log; equal, or the test fails. */
  async function same(
    observe: (side: Side) => Promise<readonly string[]>,
    sortsLog = false,
  ): Promise<{ readonly seen: readonly string[]; readonly log: readonly string[] }> {
    const [envoy, remora] = await Promise.all(
      sides.map(async (side) => {
        const seen = await observe(side);
        const log = await side.logLines();
        return { seen, log: sortsLog ? log.sort() : log };
      }),
    );
    assert.deepEqual(remora, envoy, 'remora (actual) beside envoy (expected)');
    return remora!; // there are two sides
  }

  test('hosts by name: strict, logical, and DnsCluster by cluster_type', async () => {
    // Round robin begins anywhere.
    const { seen, log } = await same(async (side) => {
      const strict = [await side.ask('/strict'), await side.ask('/strict')].sort();
      return [...strict, await side.ask('/logical'), await side.ask('/dns')];
    }, true);
    assert.deepEqual(seen, [
      '200 127.0.0.2 a.test',
      '200 127.0.0.3 a.test',
      '200 127.0.0.2 logical.test',
      '200 127.0.0.2 a.test',
    ]);
    assert.equal(log[0], '200 - via_upstream dns 127.0.0.2:PORT');
  });

  test('a name server that fails costs no host', async () => {
    await same(async (side) => {
      const { dns } = side.scene;
      dns.answers.set('strict.test', { kind: 'servfail' });
      dns.answers.set('logical.test', { kind: 'servfail' });
      await side.until('cluster.strict.update_failure', 2);
      await side.until('cluster.logical.update_failure', 2);
      const answers = [await side.ask('/strict'), await side.ask('/strict')].sort();
      dns.set('strict.test', ['127.0.0.4']);
      dns.set('logical.test', ['127.0.0.4']);
      await side.untilHost('strict', '127.0.0.4', true);
      await side.untilHost('logical', '127.0.0.4', true);
      return [...answers, await side.ask('/strict')];
    }, true);
  });

  test('original destinations: PROXY header, request header, port override, metadata', async () => {
    const { seen, log } = await same(async (side) => [
      await side.ask('/original'),
      await side.ask('/original', {}, 'restored', '127.0.0.4'),
      await side.ask('/header'),
      await side.ask('/header', { 'x-to': '127.0.0.3:PORT' }),
      await side.ask('/header', { 'x-to': 'nonsense' }),
      await side.ask('/header', { 'x-to': '127.0.0.3' }),
      await side.ask('/header', { 'x-to': 'localhost:PORT' }, 'restored', '127.0.0.2'),
      await side.ask('/moved', { 'x-envoy-original-dst-host': '127.0.0.4:1' }),
      await side.ask('/metadata', {}, 'restored', '127.0.0.3'),
      await side.ask('/metadata', {}, 'restored', '127.0.0.3', '127.0.0.4:PORT'),
      await side.ask('/', {}, 'tcp', '127.0.0.3'),
      ...(await side.stats(
        'cluster.header.original_dst_host_invalid',
        'cluster.header.upstream_cx_none_healthy',
      )),
    ]);
    assert.equal(log[0], '503 UH no_healthy_upstream original -');
    assert.equal(log[1], '200 - via_upstream original 127.0.0.4:PORT');
    assert.equal(seen[9], '200 127.0.0.4 a.test');
    assert.equal(seen[10], '200 127.0.0.3 a.test');
    assert.deepEqual(seen.slice(11), [
      'cluster.header.original_dst_host_invalid: 3',
      'cluster.header.upstream_cx_none_healthy: 3',
    ]);
  });

  test('an idle host of ORIGINAL_DST is shown while it has connections, and forgotten after', async () => {
    await same(async (side) => {
      const answer = await side.ask('/original', {}, 'restored', '127.0.0.4');
      await side.untilHost('original', '127.0.0.4', true);
      // A cleanup_interval after its connections have gone.
      side.scene.closeConnections();
      await side.untilHost('original', '127.0.0.4', false);
      return [answer];
    });
  });

  test('an aggregate goes through the priorities of its clusters as they fail', async () => {
    const { seen } = await same(async (side) => {
      const answers: string[] = [];
      for (const ejected of [1, 2]) {
        answers.push(await side.ask('/aggregate'), await side.ask('/aggregate/fail'));
        await side.until('cluster.first.outlier_detection.ejections_active', ejected);
      }
      const own = 'cluster.aggregate.upstream_rq';
      return [
        ...answers,
        await side.ask('/aggregate'),
        await side.ask('/gone'),
        ...(await side.stats(`${own}_total`, `${own}_completed`, `${own}_503`)),
        ...(await side.stats(
          'cluster.first.upstream_rq_total',
          'cluster.second.upstream_rq_total',
        )),
        ...(await side.stats('cluster.gone.upstream_cx_none_healthy')),
      ];
    });
    assert.deepEqual(seen.slice(0, 5), [
      '200 127.0.0.2 a.test',
      '503 127.0.0.2 a.test',
      '200 127.0.0.3 a.test',
      '503 127.0.0.3 a.test',
      '200 127.0.0.4 a.test',
    ]);
  });

  test('retries over an aggregate pass over the priorities that were tried', async () => {
    const { seen } = await same(async (side) => [
      await side.ask('/again/fail'),
      ...(await side.stats('cluster.again.upstream_rq_retry', 'cluster.third.upstream_rq_total')),
    ]);
    assert.deepEqual(seen, [
      '503 127.0.0.4 a.test',
      'cluster.again.upstream_rq_retry: 2',
      'cluster.third.upstream_rq_total: 2',
    ]);
  });

  test('a dynamic forward proxy resolves what a request asks for', async () => {
    const { seen, log } = await same(async (side) => {
      const { dns } = side.scene;
      dns.set('one.test', ['127.0.0.2']);
      dns.set('literal.test', ['127.0.0.3']);
      dns.answers.set('fail.test', { kind: 'servfail' });
      const answers = [
        await side.ask('/dfp', { host: 'one.test:PORT' }),
        await side.ask('/dfp', { host: 'one.test:PORT' }),
        await side.ask('/dfp', { host: '127.0.0.4:PORT' }),
        await side.ask('/literal', { host: 'z.test' }),
        await side.ask('/byheader', { host: 'z.test', 'x-host': 'literal.test:PORT' }),
        await side.ask('/byheader', { host: 'one.test:PORT' }),
        await side.ask('/dfp', { host: 'fail.test' }),
        // The fifth name is the last that there is room for.
        await side.ask('/dfp', { host: '127.0.0.3:PORT' }),
        await side.ask('/dfp', { host: 'sixth.test' }),
      ];
      return [
        ...answers,
        ...(await side.stats(
          'dns_cache.names.host_added',
          'dns_cache.names.host_overflow',
          'dns_cache.names.num_hosts',
          'dns_cache.names.dns_query_timeout',
          'dns_cache.names.dns_rq_pending_overflow',
          'dns_cache.names.circuit_breakers.rq_pending_remaining',
          'dns_cache.names.circuit_breakers.rq_pending_open',
          'cluster.dfp.membership_total',
        )),
      ];
    });
    assert.equal(seen[0], '200 127.0.0.2 one.test:PORT');
    assert.equal(log[0], '200 - via_upstream dfp 127.0.0.2:PORT');
    const failure = 'cares_failure:DNS_server_returned_general_failure';
    assert.equal(log[6], `503 DF dns_resolution_failure{${failure}} dfp -`);
    assert.equal(log[8], '503 - dns_cache_overflow dfp -');
  });

  test('a proxied name that moves is shown at its new address, and keeps it when it fails', async () => {
    await same(async (side) => {
      const { dns } = side.scene;
      dns.set('one.test', ['127.0.0.4']);
      dns.set('literal.test', ['127.0.0.4']);
      await side.until('dns_cache.names.host_address_changed', 6);
      side.scene.closeConnections();
      dns.answers.set('one.test', { kind: 'servfail' });
      await side.until('dns_cache.names.dns_query_failure', 3);
      return [await side.ask('/dfp', { host: 'one.test:PORT' })];
    });
  });

  test('an answer without addresses costs no host of ours', async () => {
    const remora = sides[1]!;
    remora.scene.dns.answers.set('strict.test', { kind: 'nxdomain' });
    await remora.until('cluster.strict.update_empty', 2);
    assert.equal(await remora.ask('/strict'), '200 127.0.0.4 a.test');
  });

  test('LOGICAL_DNS of ours keeps its connections when its name moves', async () => {
    const remora = sides[1]!;
    const [, before] = (await remora.stats('cluster.logical.upstream_cx_total'))[0]!.split(': ');
    await remora.ask('/logical');
    remora.scene.dns.set('logical.test', ['127.0.0.3']);
    await remora.untilHost('logical', '127.0.0.3', true);
    await remora.ask('/logical');
    const [line] = await remora.stats('cluster.logical.upstream_cx_total');
    assert.ok(Number(line!.split(': ')[1]) <= Number(before) + 1);
    remora.scene.closeConnections();
    assert.equal(await remora.ask('/logical'), '200 127.0.0.3 logical.test');
  });
});
