// All layers of the runtime at one time, later ones over earlier ones. Immutable; runtime.ts makes a new one for each change.

import type { FractionData } from '../api/matcher-data.ts';
import type { RuntimeEntry, RuntimeValues } from '../api/runtime.ts';

export interface NamedLayer {
  readonly name: string;
  readonly values: RuntimeValues;
}

/** As /runtime shows it. */
export interface RuntimeDump {
  readonly layers: readonly string[];
  /** By key; `layer_values` in the order of `layers`, '' where a layer has none. */
  readonly entries: Readonly<
    Record<string, { readonly layer_values: readonly string[]; readonly final_value: string }>
  >;
}

const MAX_PERCENT = 100;

export class RuntimeSnapshot {
  readonly layers: readonly NamedLayer[];
  readonly #values = new Map<string, RuntimeEntry>();

  constructor(layers: readonly NamedLayer[]) {
    this.layers = layers;
    for (const { values } of layers)
      for (const [key, entry] of values) this.#values.set(key, entry);
  }

  get size(): number {
    return this.#values.size;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  keys(): Iterable<string> {
    return this.#values.keys();
  }

  /** Envoy: getInteger. What is no whole number >= 0 counts as absent. */
  integer(key: string, otherwise: number): number {
    return this.#values.get(key)?.integer ?? otherwise;
  }

  double(key: string, otherwise: number): number {
    return this.#values.get(key)?.double ?? otherwise;
  }

  flag(key: string, otherwise: boolean): boolean {
    return this.#values.get(key)?.boolean ?? otherwise;
  }

  /** Envoy: featureEnabled. */
  fraction(key: string, otherwise: FractionData): FractionData {
    const entry = this.#values.get(key);
    if (entry === undefined) return otherwise;
    if (entry.fraction !== null) return entry.fraction;
    if (entry.integer === null) return otherwise;
    return { numerator: Math.min(entry.integer, MAX_PERCENT), denominator: MAX_PERCENT };
  }

  dump(): RuntimeDump {
    const keys = [...this.#values.keys()].sort();
    return {
      layers: this.layers.map(({ name }) => name),
      entries: Object.fromEntries(
        keys.map((key) => [
          key,
          {
            layer_values: this.layers.map(({ values }) => values.get(key)?.raw ?? ''),
            final_value: this.#values.get(key)?.raw ?? '',
          },
        ]),
      ),
    };
  }
}
