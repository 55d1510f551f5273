// Main's side of listeners: which workers are told what, and what is counted. The workers are faked.

import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { compiledData } from '../../test/fakes/config.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import { ListenerRegistry } from './listener-registry.ts';
import type { Supervisor } from './supervisor.ts';
import type { FromWorker, ToWorker } from './worker-channel.ts';

const echo = (name: string): string =>
  `{ name: ${name}, filters: [{ name: e, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo } }] }`;
const listener = (name: string, port: number, chain = 'a', more = ''): ListenerConfig =>
  // That kind.
  compiledData(
    'listener',
    `{ name: ${name}, address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }, filter_chains: [${echo(chain)}]${more} }`,
  ) as ListenerConfig;

type ListenerMessage = Extract<ToWorker, { readonly type: 'listener' }>;

/** Workers that listen at once, on ports from 5001 on where they may choose. */
class FakeWorkers {
  readonly count = 2;
  readonly sent: { worker: number; config: ListenerConfig }[] = [];
  readonly counts: SharedArrayBuffer[] = [];
  readonly removed: string[] = [];
  error = '';
  #nextPort = 5001;
  readonly #pending = new Map<number, (message: unknown) => void>();

  request(onReply: (message: unknown) => void): number {
    this.#pending.set(this.#pending.size + 1, onReply);
    return this.#pending.size;
  }

  send(worker: number, message: ListenerMessage): void {
    const { config, request, connectionCount } = message;
    this.sent.push({ worker, config });
    if (connectionCount !== null) this.counts.push(connectionCount);
    const addresses = [config.address, ...config.additionalAddresses].map(({ ip, port }) => ({
      ip,
      port: port === 0 ? this.#nextPort++ : port,
    }));
    const reply: FromWorker = {
      type: 'listening',
      request,
      addresses: this.error === '' ? addresses : [],
      error: this.error,
    };
    this.#pending.get(request)?.(reply);
  }

  broadcast(message: ToWorker): void {
    if (message.type === 'listener-remove') this.removed.push(message.name);
  }
}

describe('ListenerRegistry', () => {
  let workers: FakeWorkers;
  let registry: ListenerRegistry;

  beforeEach(() => {
    workers = new FakeWorkers();
    // It has what the registry uses.
    registry = new ListenerRegistry(workers as unknown as Supervisor, silentLogger());
  });

  const ports = (): number[][] =>
    workers.sent.map(({ config }) =>
      [config.address, ...config.additionalAddresses].map(({ port }) => port),
    );

  it('gives every worker the ports that the first one got, and keeps them over updates', async () => {
    const more =
      ', additional_addresses: [{ address: { socket_address: { address: 127.0.0.2, port_value: 0 } } }]';
    await registry.addOrUpdate(listener('l', 0, 'a', more), true);
    await registry.addOrUpdate(listener('l', 0, 'b', more), true);
    assert.deepEqual(ports(), [
      [0, 0],
      [5001, 5002],
      [5001, 5002],
      [5001, 5002],
    ]);
    assert.equal(new Set(workers.counts).size, 1, 'one count of connections for all of them');
  });

  it('counts updates of filter chains as in place, others only as modified', async () => {
    await registry.addOrUpdate(listener('l', 80, 'a'), true);
    await registry.addOrUpdate(listener('l', 80, 'a'), true);
    await registry.addOrUpdate(listener('l', 80, 'b'), true);
    await registry.addOrUpdate(listener('l', 80, 'b', ', tcp_backlog_size: 5'), true);
    const { added, modified, inPlaceUpdated, createSuccess, active, warming } = registry.stats;
    assert.deepEqual(
      { added, modified, inPlaceUpdated, createSuccess, active, warming },
      { added: 1, modified: 2, inPlaceUpdated: 1, createSuccess: 6, active: 1, warming: 0 },
    );
  });

  it('refuses an address that another listener has', async () => {
    await registry.addOrUpdate(listener('l', 80), true);
    await assert.rejects(registry.addOrUpdate(listener('m', 80), true), {
      message:
        "error adding listener: 'm' has duplicate address '127.0.0.1:80' as existing listener",
    });
    assert.equal(registry.stats.createFailure, 1);
    assert.deepEqual(
      registry.entries().map(({ config }) => config.name),
      ['l'],
    );
    registry.remove('l');
    await registry.addOrUpdate(listener('m', 80), true);
  });

  it('keeps the former listener when the new one cannot be bound', async () => {
    await registry.addOrUpdate(listener('l', 80), true);
    workers.error = 'listen EADDRINUSE';
    await assert.rejects(registry.addOrUpdate(listener('l', 81), true), /EADDRINUSE/);
    assert.deepEqual(
      registry.entries().map(({ addresses }) => addresses[0]?.port),
      [80],
    );
    assert.equal(registry.stats.createFailure, 1);
    assert.equal(registry.stats.warming, 0);
  });

  it('counts what has stopped once per listener', async () => {
    await registry.addOrUpdate(listener('l', 80), true);
    await registry.addOrUpdate(listener('m', 81, 'a', ', traffic_direction: INBOUND'), true);
    registry.countStopped(true);
    assert.equal(registry.stats.stopped, 1);
    registry.countStopped(false);
    assert.equal(registry.stats.stopped, 2);
  });

  it('removes once, and in order', async () => {
    registry.remove('l');
    void registry.addOrUpdate(listener('l', 80), true);
    registry.remove('l');
    registry.remove('l');
    await registry.addOrUpdate(listener('m', 81), true);
    assert.deepEqual(workers.removed, ['l']);
    assert.equal(registry.stats.removed, 1);
    assert.equal(registry.stats.active, 1);
  });
});
