// Envoy's runtime in the main thread: the layers, the values now, and the shared words of those values that config
// named (ADR 22). One per process, as SharedMemory is: compile functions bind keys, the server starts it and feeds it.
//
//   static | disk | rtds | admin ──load──► snapshot ──► words (workers) and onChange (what main itself reads by key)
//
// A word lives as long as the config that has it: nothing is given back.

import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import type { FieldError } from '../../common/result.ts';
import { DEPRECATED } from '../../proto/validate.ts';
import type { FractionData } from '../api/matcher-data.ts';
import type {
  RuntimeEntry,
  RuntimeFlag,
  RuntimeKey,
  RuntimeLayerConfig,
  RuntimeLayers,
  RuntimeNumber,
  RuntimeValues,
} from '../api/runtime.ts';
import { encodeFraction } from '../matcher/runtime-value.ts';
import { isDirectory, readDiskLayer } from './disk-layer.ts';
import { entryOfText } from './entry.ts';
import { isUnsupportedKey, unsupportedKeyText } from './known-keys.ts';
import { RuntimeStats } from './runtime-stats.ts';
import { type NamedLayer, type RuntimeDump, RuntimeSnapshot } from './snapshot.ts';

/** Some memory, and how a snapshot fills it. */
interface Binding {
  readonly memory: WeakRef<SharedArrayBuffer>;
  fill(words: Float64Array, snapshot: RuntimeSnapshot): void;
}

const WORD_BYTES = 8;
const MIN_SWEEP = 1024;
const noValues: RuntimeValues = new Map();

export class Runtime implements RuntimeLayers {
  readonly stats = new RuntimeStats();
  #layers: readonly RuntimeLayerConfig[] = [];
  #snapshot = new RuntimeSnapshot([]);
  readonly #adminValues = new Map<string, RuntimeEntry>();
  /** By RTDS resource. */
  readonly #rtdsValues = new Map<string, RuntimeValues>();
  /** By what they are of: the same question has the same memory. */
  readonly #bindings = new Map<string, Binding>();
  #sweepAt = MIN_SWEEP;
  readonly #watchers: FSWatcher[] = [];
  #logger: Logger | null = null;
  #onChange: () => void = () => {};

  configure(layers: readonly RuntimeLayerConfig[]): void {
    this.#layers = layers;
    this.#adminValues.clear();
    this.#rtdsValues.clear();
    this.#load();
  }

  /**
   * Begins to watch disk layers; `onChange` is called after each change of values. Throws when a directory that
   * should hold a symlink_root is not there.
   */
  start(logger: Logger, onChange: () => void): void {
    this.#logger = logger;
    this.#onChange = onChange;
    const roots = new Set(
      this.#layers.flatMap((layer) => (layer.kind === 'disk' ? [layer.symlinkRoot] : [])),
    );
    for (const root of roots) this.#watch(root);
    this.#reload();
  }

  /** Of the bootstrap's warnings those about deprecated fields count. */
  countDeprecated(warnings: readonly FieldError[]): void {
    const used = warnings.filter(({ message }) => message === DEPRECATED).length;
    this.stats.deprecatedFeatureUse += used;
    this.stats.deprecatedFeatureSeen += used;
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers.length = 0;
  }

  /** The values now. */
  get snapshot(): RuntimeSnapshot {
    return this.#snapshot;
  }

  dump(): RuntimeDump {
    return this.#snapshot.dump();
  }

  /** Names of the RTDS resources, in the order of their layers. */
  rtdsResources(): readonly string[] {
    return this.#layers.flatMap((layer) => (layer.kind === 'rtds' ? [layer.resource] : []));
  }

  /** From RTDS; null = it was taken away. */
  setRtdsLayer(resource: string, values: RuntimeValues | null): void {
    if (values === null) this.#rtdsValues.delete(resource);
    else this.#rtdsValues.set(resource, values);
    this.#reload();
  }

  /** /runtime_modify; an empty value removes what was set before. The error, or null. */
  modify(changes: Iterable<readonly [key: string, value: string]>): string | null {
    if (!this.#layers.some(({ kind }) => kind === 'admin')) return 'No admin layer specified';
    for (const [key, value] of changes) {
      if (value === '') this.#adminValues.delete(key);
      else this.#adminValues.set(key, entryOfText(value));
    }
    this.stats.adminOverridesActive = this.#adminValues.size > 0 ? 1 : 0;
    this.#reload();
    return null;
  }

  // RuntimeLayers.

  integer(key: string, otherwise: number): RuntimeNumber {
    if (!this.#canChange()) return this.#snapshot.integer(key, otherwise);
    return { live: this.#bind(`integer ${otherwise} ${key}`, (s) => s.integer(key, otherwise)) };
  }

  double(key: string, otherwise: number): RuntimeNumber {
    if (!this.#canChange()) return this.#snapshot.double(key, otherwise);
    return { live: this.#bind(`double ${otherwise} ${key}`, (s) => s.double(key, otherwise)) };
  }

  flag(key: string, otherwise: boolean): RuntimeFlag {
    if (!this.#canChange()) return this.#snapshot.flag(key, otherwise);
    return {
      live: this.#bind(`flag ${otherwise} ${key}`, (s) => (s.flag(key, otherwise) ? 1 : 0)),
    };
  }

  fraction(key: string, { numerator, denominator }: FractionData): FractionData {
    const otherwise = { numerator, denominator };
    if (!this.#canChange()) return this.#snapshot.fraction(key, otherwise);
    const live = this.#bind(`fraction ${numerator}/${denominator} ${key}`, (s) =>
      encodeFraction(s.fraction(key, otherwise)),
    );
    return { numerator, denominator, live };
  }

  numbers(keys: readonly RuntimeKey[]): readonly RuntimeNumber[] {
    if (!this.#canChange()) {
      return keys.map(({ key, kind, otherwise }) => this.#snapshot[kind](key, otherwise));
    }
    const live = this.#allocate(JSON.stringify(keys), keys.length, (words, snapshot) => {
      for (const [i, { key, kind, otherwise }] of keys.entries()) {
        words[i] = snapshot[kind](key, otherwise);
      }
    });
    return keys.map((_, at) => ({ live, at }));
  }

  #bind(name: string, read: (snapshot: RuntimeSnapshot) => number): SharedArrayBuffer {
    return this.#allocate(name, 1, (words, snapshot) => {
      words[0] = read(snapshot);
    });
  }

  #allocate(name: string, words: number, fill: Binding['fill']): SharedArrayBuffer {
    const former = this.#bindings.get(name)?.memory.deref();
    if (former !== undefined) return former;
    if (this.#bindings.size >= this.#sweepAt) this.#sweep();
    const memory = new SharedArrayBuffer(words * WORD_BYTES);
    fill(new Float64Array(memory), this.#snapshot);
    this.#bindings.set(name, { memory: new WeakRef(memory), fill });
    return memory;
  }

  /** Configs come and go while the runtime stays as it is. */
  #sweep(): void {
    for (const [name, { memory }] of this.#bindings) {
      if (memory.deref() === undefined) this.#bindings.delete(name);
    }
    this.#sweepAt = Math.max(MIN_SWEEP, this.#bindings.size * 2);
  }

  #canChange(): boolean {
    return this.#layers.some(({ kind }) => kind !== 'static');
  }

  #reload(): void {
    this.#load();
    for (const [name, { memory, fill }] of this.#bindings) {
      const words = memory.deref();
      if (words === undefined) this.#bindings.delete(name);
      else fill(new Float64Array(words), this.#snapshot);
    }
    this.#onChange();
  }

  /** Envoy: LoaderImpl::createNewSnapshot. A layer that cannot be read is left out, the others count. */
  #load(): void {
    const layers: NamedLayer[] = [];
    let diskLayers = 0;
    let errors = 0;
    for (const layer of this.#layers) {
      if (layer.kind !== 'disk') {
        layers.push({ name: layer.name, values: this.#valuesOf(layer) });
        continue;
      }
      try {
        if (!isDirectory(layer.path)) continue;
        const values = readDiskLayer(layer.path);
        for (const key of values.keys()) if (isUnsupportedKey(key)) this.#warn(layer.name, key);
        layers.push({ name: layer.name, values });
        diskLayers++;
      } catch (thrown) {
        errors++;
        const { name, path } = layer;
        this.#logger?.error({ layer: name, path, error: errorText(thrown) }, 'runtime layer');
      }
    }
    const { stats } = this;
    this.#snapshot = new RuntimeSnapshot(layers);
    stats.numLayers = layers.length;
    stats.numKeys = this.#snapshot.size;
    if (errors === 0) stats.loadSuccess++;
    else stats.loadError++;
    if (diskLayers > 1) stats.overrideDirExists++;
    else stats.overrideDirNotExists++;
  }

  #valuesOf(layer: Exclude<RuntimeLayerConfig, { readonly kind: 'disk' }>): RuntimeValues {
    switch (layer.kind) {
      case 'static':
        return layer.values;
      case 'rtds':
        return this.#rtdsValues.get(layer.resource) ?? noValues;
      case 'admin':
        return new Map(this.#adminValues);
    }
  }

  #warn(layer: string, key: string): void {
    this.#logger?.warn({ layer }, unsupportedKeyText(key));
  }

  /** Envoy loads anew when something is moved to where the symlink is. */
  #watch(root: string): void {
    const name = basename(root);
    const watcher = watch(dirname(root), { persistent: false }, (_event, changed) => {
      // Nothing is there between unlink and link: the values stay until something is.
      if ((changed === null || changed === name) && isDirectory(root)) this.#reload();
    });
    watcher.on('error', (error) => {
      this.#logger?.error({ root, error: errorText(error) }, 'runtime layer is no longer watched');
    });
    this.#watchers.push(watcher);
  }
}
