// The end of listeners and processes as clients see it: rolling restarts, admin drains, failing health checks.

import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { rollingRestart } from '../soak/rolling-restart.ts';
import { type SidecarOptions, simpleBootstrap, startSidecar } from './sidecar.ts';

const backend = http.createServer((_request, response) => response.end('ok'));
let backendPort = 0;
before(async () => {
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  backendPort = (backend.address() as AddressInfo).port; // a TCP server has one
});
after(() => {
  backend.closeAllConnections();
  backend.close();
});

/** A client with one kept connection. */
class Client {
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /** The Connection header of the answer; the error's code when there is none. */
  get(): Promise<string> {
    return new Promise((resolve) => {
      const options = { host: '127.0.0.1', port: this.#port, agent: this.#agent };
      const request = http.get(options, (response) => {
        response.resume();
        response.on('end', () => resolve(response.headers.connection ?? 'none'));
      });
      request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  }

  /** Asks until the answer is `wanted`. */
  async until(wanted: string): Promise<void> {
    const end = performance.now() + 10_000;
    let last = '';
    while (performance.now() < end) {
      last = await this.get();
      if (last === wanted) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.fail(`the answer stayed '${last}'`);
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** A sidecar and one client; further listener fields by text replacement. */
async function scene(
  options: SidecarOptions,
  listener: Readonly<Record<string, string>>,
  run: (client: Client, sidecar: Awaited<ReturnType<typeof startSidecar>>) => Promise<void>,
): Promise<void> {
  const fields = Object.entries(listener).map(([name, value]) => `\n      ${name}: ${value}`);
  const yaml = simpleBootstrap(backendPort).replace(
    '- name: ingress',
    (text) => text + fields.join(''),
  );
  const sidecar = await startSidecar(yaml, options);
  const client = new Client(sidecar.port('ingress'));
  try {
    await run(client, sidecar);
  } finally {
    client.close();
    await sidecar.stop();
  }
}

test('F-15 a rolling restart of two sidecars under load with 50 long streams and 20 WebSockets loses nothing', async () => {
  const report = await rollingRestart({
    ...{ ratePerSecond: 150, durationMs: 16_000, everyMs: 1000, streams: 50, streamMs: 1500 },
    webSockets: 20,
    ...{ shutdownTimeS: 8, signal: 'SIGTERM' },
  });
  const { lost, crossed, truncated, duplicated, badExits, restarts } = report;
  assert.deepEqual(
    { lost, crossed, truncated, duplicated, badExits },
    { lost: 0, crossed: 0, truncated: 0, duplicated: 0, badExits: 0 },
    JSON.stringify(report),
  );
  assert.ok(restarts >= 2, JSON.stringify(report));
  assert.ok(report.slowestExitMs < 13_000, 'drain time and 5 s');
});

test('F-15 the same without a drain loses requests: the measurement can see a loss', async () => {
  const report = await rollingRestart({
    ...{ ratePerSecond: 150, durationMs: 4000, everyMs: 1000, streams: 50, streamMs: 1500 },
    webSockets: 20,
    ...{ shutdownTimeS: 8, signal: 'SIGKILL' },
  });
  assert.ok(report.lost > 0, JSON.stringify(report));
});

test('/drain_listeners?graceful: responses end connections, then the listener goes', () =>
  scene({ drainTimeMs: 400 }, {}, async (client, sidecar) => {
    assert.equal(await client.get(), 'none');
    assert.equal(await sidecar.admin('/drain_listeners?graceful', 'POST'), 'OK\n');
    await client.until('close');
    await client.until('ECONNREFUSED');
    assert.match(await sidecar.admin('/ready'), /^LIVE/, 'the process stays');
  }));

test('/drain_listeners?graceful&skip_exit never stops listening', () =>
  scene({ drainTimeMs: 200 }, {}, async (client, sidecar) => {
    await sidecar.admin('/drain_listeners?graceful&skip_exit', 'POST');
    // In the window some are not; behind it all are, and new connections are still taken.
    for (let closes = 0; closes < 20; ) closes = (await client.get()) === 'close' ? closes + 1 : 0;
    const refused = await sidecar.admin('/drain_listeners?skip_exit', 'POST');
    assert.equal(refused, 'skip_exit requires graceful\n');
  }));

test('/drain_listeners stops listening at once and leaves connections alone', () =>
  scene({}, {}, async (client, sidecar) => {
    assert.equal(await client.get(), 'none');
    await sidecar.admin('/drain_listeners', 'POST');
    // A connection that still gets in while the accept queue is emptied is served, and kept like the others.
    const late = new Client(sidecar.port('ingress'));
    for (let answer = ''; answer !== 'ECONNREFUSED'; ) {
      answer = await late.get();
      late.close();
    }
    assert.equal(await client.get(), 'none');
  }));

test('inboundonly leaves other listeners alone', async () => {
  await scene(
    { drainStrategy: 'immediate' },
    { traffic_direction: 'OUTBOUND' },
    async (client, sidecar) => {
      await sidecar.admin('/drain_listeners?inboundonly', 'POST');
      await sidecar.admin('/drain_listeners?graceful&inboundonly&skip_exit', 'POST');
      // The worker has had the message when it answers what came behind it.
      await sidecar.admin('/stats');
      assert.equal(await client.get(), 'none');
    },
  );
  await scene({}, { traffic_direction: 'INBOUND' }, async (client, sidecar) => {
    await sidecar.admin('/drain_listeners?inboundonly', 'POST');
    for (let answer = ''; answer !== 'ECONNREFUSED'; ) {
      answer = await client.get();
      client.close();
    }
  });
});

test('drain-strategy immediate: the next response ends its connection', () =>
  scene({ drainTimeMs: 600_000, drainStrategy: 'immediate' }, {}, async (client, sidecar) => {
    await sidecar.admin('/drain_listeners?graceful', 'POST');
    await client.until('close');
  }));

test('/healthcheck/fail ends connections until /healthcheck/ok; drain_type MODIFY_ONLY ignores it', async () => {
  await scene({}, {}, async (client, sidecar) => {
    await sidecar.admin('/healthcheck/fail', 'POST');
    await client.until('close');
    await sidecar.admin('/healthcheck/ok', 'POST');
    await client.until('none');
    await sidecar.untilStat('http.ingress.downstream_cx_drain_close', (value) => value >= 1);
  });
  await scene({}, { drain_type: 'MODIFY_ONLY' }, async (client, sidecar) => {
    await sidecar.admin('/healthcheck/fail', 'POST');
    await sidecar.admin('/stats');
    assert.equal(await client.get(), 'none');
  });
});

test('shutdown waits for a request that is under way, and ends when it is answered', async () => {
  const slow = http.createServer((_request, response) => {
    setTimeout(() => response.end('late'), 700);
  });
  await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve));
  const { port } = slow.address() as AddressInfo; // a TCP server has one
  const sidecar = await startSidecar(simpleBootstrap(port), { shutdownTimeMs: 8000 });
  const client = new Client(sidecar.port('ingress'));
  const answer = client.get();
  await sidecar.untilStat('http.ingress.downstream_rq_active', (value) => value === 1);
  const startMs = performance.now();
  sidecar.shutdown();
  assert.match(await answer, /^(close|none)$/);
  client.close();
  assert.equal(await sidecar.finished, 0);
  assert.ok(performance.now() - startMs < 7000, 'not the whole shutdown time');
  slow.close();
});
