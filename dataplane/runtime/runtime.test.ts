import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createLogger } from '../../common/logger.ts';
import type { RuntimeEntry, RuntimeLayerConfig, RuntimeValues } from '../api/runtime.ts';
import { RuntimeFraction, RuntimeValue, readRuntime } from '../matcher/runtime-value.ts';
import { entryOfText, visitLayer } from './entry.ts';
import { isUnsupportedKey } from './known-keys.ts';
import { Runtime } from './runtime.ts';

const logger = createLogger('off', 'test');
const admin: RuntimeLayerConfig = { kind: 'admin', name: 'admin' };
const half = { numerator: 50, denominator: 100 };

function valuesOf(layer: Readonly<Record<string, unknown>>): RuntimeValues {
  const values = new Map<string, RuntimeEntry>();
  visitLayer(layer, (_path, key, entry) => {
    if (entry !== null) values.set(key, entry);
  });
  return values;
}

const fixed = (name: string, layer: Readonly<Record<string, unknown>>): RuntimeLayerConfig => ({
  kind: 'static',
  name,
  values: valuesOf(layer),
});

describe('a runtime value', () => {
  it('means what Envoy reads in it', () => {
    const table: [string, Partial<RuntimeEntry>][] = [
      ['42', { integer: 42, double: 42 }],
      [' 7 ', { raw: ' 7', integer: 7, double: 7 }],
      ['3.9', { integer: 3, double: 3.9 }],
      ['-3', { double: -3 }],
      ['1e3', { integer: 1000, double: 1000 }],
      ['TRUE', { boolean: true }],
      ['false', { boolean: false }],
      ['12abc', {}],
      ['', {}],
      [
        '{numerator: 5, denominator: TEN_THOUSAND}',
        { fraction: { numerator: 5, denominator: 10_000 } },
      ],
      ['numerator: 200', { fraction: { numerator: 100, denominator: 100 } }],
      ['{numerator: 5, other: 1}', {}],
      ['{numerator: [', {}],
    ];
    const nothing = { integer: null, double: null, boolean: null, fraction: null };
    for (const [text, expected] of table) {
      assert.deepEqual(entryOfText(text), { raw: text, ...nothing, ...expected }, text);
    }
  });

  it('of a Struct is flattened; a FractionalPercent stays whole', () => {
    const values = valuesOf({
      a: { b: 1, c: { d: 'x' } },
      f: { numerator: 3 },
      e: {},
      'x.y': true,
    });
    assert.deepEqual([...values.keys()], ['a.b', 'a.c.d', 'f', 'e', 'x.y']);
    assert.deepEqual(values.get('f')?.fraction, { numerator: 3, denominator: 100 });
  });
});

describe('the runtime', () => {
  it('lets later layers win, and shows all of them', () => {
    const runtime = new Runtime();
    runtime.configure([fixed('a', { k: 1, only: 2 }), fixed('b', { k: 3 }), admin]);
    assert.equal(runtime.modify([['k', '5']]), null);
    assert.deepEqual(runtime.dump(), {
      layers: ['a', 'b', 'admin'],
      entries: {
        k: { layer_values: ['1', '3', '5'], final_value: '5' },
        only: { layer_values: ['2', '', ''], final_value: '2' },
      },
    });
    runtime.modify([['k', '']]);
    assert.equal(runtime.dump().entries['k']?.final_value, '3');
  });

  it('has an admin layer only where the bootstrap says so', () => {
    const runtime = new Runtime();
    runtime.configure([fixed('a', {})]);
    assert.equal(runtime.modify([['k', '5']]), 'No admin layer specified');
  });

  it('counts loads, keys and layers', () => {
    const runtime = new Runtime();
    runtime.configure([fixed('a', { k: 1 }), admin]);
    runtime.modify([['j', '1']]);
    const { stats } = runtime;
    assert.deepEqual(
      [
        stats.loadSuccess,
        stats.loadError,
        stats.numKeys,
        stats.numLayers,
        stats.adminOverridesActive,
      ],
      [2, 0, 2, 2, 1],
    );
    assert.deepEqual([stats.overrideDirExists, stats.overrideDirNotExists], [0, 2]);
  });

  it('gives constants where nothing can change', () => {
    const runtime = new Runtime();
    runtime.configure([fixed('a', { k: 7, share: 30, on: false })]);
    assert.equal(runtime.integer('k', 1), 7);
    assert.equal(runtime.double('absent', 1.5), 1.5);
    assert.equal(runtime.flag('on', true), false);
    assert.deepEqual(runtime.fraction('share', half), { numerator: 30, denominator: 100 });
    assert.deepEqual(runtime.numbers([{ key: 'k', kind: 'integer', otherwise: 1 }]), [7]);
  });

  it('changes words that workers read', () => {
    const runtime = new Runtime();
    runtime.configure([admin]);
    const integer = new RuntimeValue(runtime.integer('k', 1));
    const flag = new RuntimeValue(runtime.flag('on', true));
    const fraction = new RuntimeFraction(runtime.fraction('share', half));
    const double = runtime.double('d', 0.5);
    const numbers = runtime.numbers([
      { key: 'k', kind: 'integer', otherwise: 9 },
      { key: 'd', kind: 'double', otherwise: 8 },
    ]);
    assert.deepEqual(
      [integer.number(), flag.isOn(), fraction.holds(49), fraction.holds(50)],
      [1, true, true, false],
    );
    runtime.modify(
      Object.entries({
        k: '4',
        on: 'false',
        share: '{numerator: 1, denominator: MILLION}',
        d: '2.5',
      }),
    );
    assert.deepEqual([integer.number(), flag.isOn(), readRuntime(double)], [4, false, 2.5]);
    assert.deepEqual(
      [fraction.holds(0), fraction.holds(1), fraction.holds(1_000_000)],
      [true, false, true],
    );
    assert.deepEqual(numbers.map(readRuntime), [4, 2.5]);
    assert.equal(new RuntimeValue(numbers[1]!).number(), 2.5);
    runtime.modify([['share', '100']]);
    assert.equal(fraction.draw(0.999999), true);
    runtime.modify([['share', 'nonsense']]);
    assert.deepEqual([fraction.draw(0.499), fraction.draw(0.5)], [true, false]);
  });

  it('gives the same question the same memory', () => {
    const runtime = new Runtime();
    runtime.configure([admin]);
    assert.deepEqual(runtime.integer('k', 1), runtime.integer('k', 1));
    const a = runtime.integer('k', 1) as { live: SharedArrayBuffer }; // it can change
    const b = runtime.integer('k', 1) as { live: SharedArrayBuffer };
    assert.equal(a.live, b.live);
    const c = runtime.integer('k', 2) as { live: SharedArrayBuffer };
    assert.notEqual(a.live, c.live);
  });

  it('takes what RTDS says, and its absence', () => {
    const runtime = new Runtime();
    runtime.configure([{ kind: 'rtds', name: 'r', resource: 'res' }, admin]);
    const value = new RuntimeValue(runtime.integer('k', 1));
    assert.deepEqual(runtime.rtdsResources(), ['res']);
    runtime.setRtdsLayer('res', valuesOf({ k: 5 }));
    assert.equal(value.number(), 5);
    runtime.setRtdsLayer('res', null);
    assert.equal(value.number(), 1);
  });
});

describe('a disk layer', () => {
  const root = (): string => mkdtempSync(join(tmpdir(), 'remora-runtime-'));
  const disk = (name: string, base: string, path: string): RuntimeLayerConfig => ({
    kind: 'disk',
    name,
    symlinkRoot: join(base, 'current'),
    path,
  });

  it('is what its files say, without comments; one that is not there is no layer', () => {
    const base = root();
    mkdirSync(join(base, 'v1', 'sub'), { recursive: true });
    mkdirSync(join(base, 'v1', 'c'));
    writeFileSync(join(base, 'v1', 'sub', 'k'), '# why\n42\n');
    writeFileSync(join(base, 'v1', 'c', 'k'), 'true');
    symlinkSync('v1', join(base, 'current'));
    const runtime = new Runtime();
    runtime.configure([
      disk('d', base, join(base, 'current')),
      disk('o', base, join(base, 'current/c')),
      disk('x', base, join(base, 'current/none')),
    ]);
    assert.deepEqual(runtime.dump(), {
      layers: ['d', 'o'],
      entries: {
        'c.k': { layer_values: ['true', ''], final_value: 'true' },
        k: { layer_values: ['', 'true'], final_value: 'true' },
        'sub.k': { layer_values: ['42', ''], final_value: '42' },
      },
    });
    assert.equal(runtime.stats.overrideDirExists, 1);
    rmSync(base, { recursive: true });
  });

  it('is loaded anew when another one takes its place', async () => {
    const base = root();
    for (const [version, value] of [
      ['v1', '1'],
      ['v2', '2'],
    ] as const) {
      mkdirSync(join(base, version));
      writeFileSync(join(base, version, 'k'), value);
    }
    symlinkSync('v1', join(base, 'current'));
    const runtime = new Runtime();
    runtime.configure([disk('d', base, join(base, 'current'))]);
    const value = new RuntimeValue(runtime.integer('k', 0));
    assert.equal(value.number(), 1);
    const isTwo = new Promise<void>((resolve) => {
      runtime.start(logger, () => {
        if (value.number() === 2) resolve();
      });
    });
    symlinkSync('v2', join(base, 'next'));
    renameSync(join(base, 'next'), join(base, 'current'));
    await isTwo;
    runtime.close();
    rmSync(base, { recursive: true });
  });

  it('that lies too deep is left out and counted, and nobody falls', () => {
    const base = root();
    mkdirSync(join(base, 'current', ...Array.from({ length: 17 }, () => 'd')), { recursive: true });
    const runtime = new Runtime();
    runtime.configure([fixed('s', { k: 1 }), disk('d', base, join(base, 'current'))]);
    assert.deepEqual([runtime.stats.loadError, runtime.stats.numLayers], [1, 1]);
    rmSync(base, { recursive: true });
  });

  it('is refused at the start when nothing could take its place', () => {
    const runtime = new Runtime();
    runtime.configure([disk('d', '/no/such/place', '/no/such/place/current')]);
    assert.throws(() => runtime.start(logger, () => {}));
    runtime.close();
  });
});

describe('keys of Envoy itself', () => {
  it('are told apart: those that have an equal here, and those that have none', () => {
    for (const key of [
      'circuit_breakers.a.b.default.max_requests',
      'upstream.healthy_panic_threshold',
      'outlier_detection.enforcing_success_rate',
      'envoy.resource_limits.listener.a.connection_limit',
      'fault.http.abort.abort_percent',
      'my.own',
      'routing.canary',
    ]) {
      assert.equal(isUnsupportedKey(key), false, key);
    }
    for (const key of [
      'envoy.reloadable_features.x',
      're2.max_program_size.error_level',
      'upstream.use_http2',
      'circuit_breakers.a.default.track_remaining',
      'overload.other',
      'fault.http.some_client.abort.abort_percent',
    ]) {
      assert.equal(isUnsupportedKey(key), true, key);
    }
  });
});
