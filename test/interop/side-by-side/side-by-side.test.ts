// Envoy and Remora are started with the same static bootstrap and sent the same bytes. What the client
// gets, what the upstream sees and what the access log says must be the same, but for generated values.
// Deliberate differences carry a name in cases.ts and an entry in docs/differences.md.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findPeer, skipWithout } from '../peers.ts';
import { freePort, type RunningProxy, startProxy } from '../proxies.ts';
import { type RecordingBackend, startBackend } from './backend.ts';
import { type Case, cases } from './cases.ts';
import { type Exchange, exchange } from './exchange.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
/** Headers whose value is made up per request; only their presence is compared. */
const generated = new Set(['date', 'x-request-id', 'x-envoy-upstream-service-time']);

interface Observed {
  readonly client: unknown;
  readonly upstream: unknown;
}

function masked(
  headers: readonly (readonly [string, string])[],
  extra: ReadonlySet<string> = generated,
): string[] {
  return headers.map(([name, value]) => `${name}: ${extra.has(name) ? '*' : value}`);
}

/** At a retry what remains of the route timeout depends on how long the tries before took. */
const generatedInRetries = new Set([...generated, 'x-envoy-expected-rq-timeout-ms']);

function clientView({ interim, responses, closed, rest }: Exchange): unknown {
  return {
    interim,
    responses: responses.map(({ status, headers, body }) => ({
      status,
      headers: masked(headers),
      body: body.length > 200 ? `${body.length} bytes` : body,
    })),
    closed,
    rest,
  };
}

describe('side by side with Envoy', { skip: skipWithout('envoy') }, () => {
  let backend: RecordingBackend;
  const proxies: Record<'envoy' | 'remora', RunningProxy | null> = { envoy: null, remora: null };
  const logged: Record<'envoy' | 'remora', { name: string; lines: number }[]> = {
    envoy: [],
    remora: [],
  };

  before(async () => {
    backend = await startBackend();
    const deadPort = await freePort();
    const template = readFileSync(join(here, 'bootstrap.yaml'), 'utf8');
    const start = (kind: 'envoy' | 'remora') =>
      startProxy(kind, findPeer('envoy') ?? 'envoy', (ports, directory) =>
        template
          .replaceAll('@LISTEN_PORT@', String(ports.listen))
          .replaceAll('@ADMIN_PORT@', String(ports.admin))
          .replaceAll('@BACKEND_PORT@', String(backend.port))
          .replaceAll('@DEAD_PORT@', String(deadPort))
          .replaceAll('@ACCESS_LOG@', join(directory, 'access.log'))
          .replaceAll('@DEFAULT_ACCESS_LOG@', join(directory, 'default.log')),
      );
    proxies.envoy = await start('envoy');
    proxies.remora = await start('remora');
  });

  after(async () => {
    await proxies.envoy?.stop();
    await proxies.remora?.stop();
    await backend.close();
  });

  async function observe(kind: 'envoy' | 'remora', one: Case): Promise<Observed> {
    const proxy = proxies[kind];
    assert.ok(proxy !== null);
    backend.take();
    const result = await exchange(
      proxy.ports.listen,
      one.bytes,
      one.responses ?? 1,
      one.head === true,
    );
    logged[kind].push({ name: one.name, lines: one.responses ?? 1 });
    return {
      client: clientView(result),
      upstream: backend.take().map((seen, tries) => ({
        ...seen,
        headers: masked(seen.headers, tries === 0 ? generated : generatedInRetries),
      })),
    };
  }

  for (const one of cases) {
    test(one.name, async () => {
      const envoy = await observe('envoy', one);
      const remora = await observe('remora', one);
      if (one.difference === undefined) {
        assert.deepEqual(remora, envoy);
        return;
      }
      const differences = readFileSync(join(here, '../../../docs/differences.md'), 'utf8');
      assert.ok(
        differences.includes(one.difference),
        `docs/differences.md does not explain: ${one.difference}`,
      );
      assert.notDeepEqual(remora, envoy, 'no longer differs: take the mark off the case');
    });
  }

  for (const log of ['access.log', 'default.log']) {
    test(`${log} says the same`, async () => {
      const marked = new Set(
        cases.filter(({ difference }) => difference !== undefined).map(({ name }) => name),
      );
      const [envoy, remora] = await Promise.all(
        (['envoy', 'remora'] as const).map(async (kind) => {
          const proxy = proxies[kind];
          assert.ok(proxy !== null);
          // Stopping flushes.
          await proxy.stop();
          return readFileSync(join(proxy.directory, log), 'utf8')
            .trimEnd()
            .split('\n')
            .map(maskLine);
        }),
      );
      assert.ok(envoy !== undefined && remora !== undefined);
      const expected = withoutMarked(envoy, marked);
      assert.ok(expected.length > 60);
      assert.deepEqual(withoutMarked(remora, marked), expected);
    });
  }
});

/** The cases of deliberate differences come last, with a line each. */
function withoutMarked(lines: readonly string[], marked: ReadonlySet<string>): readonly string[] {
  return lines.slice(0, lines.length - marked.size);
}

/** Times, durations and ids become `*`; see the default format for the positions. */
function maskLine(line: string): string {
  const match =
    /^\[[^\]]+\] ("[^"]*" \S+ \S+ \S+ \S+) (\S+) (\S+) ("[^"]*" "[^"]*") "([^"]*)" (.*)$/.exec(
      line,
    );
  if (match === null) return line;
  const [, start, duration, serviceTime, middle, id, rest] = match;
  const star = (text: string | undefined) => (text === '-' ? '-' : '*');
  return `[*] ${start} ${star(duration)} ${star(serviceTime)} ${middle} "${star(id)}" ${rest}`;
}
