// Envoy's runtime as compiled config carries it. A value that may change while the process runs travels as one word of
// shared memory (ADR 22): main writes it (runtime/runtime.ts), workers read it (matcher/runtime-value.ts), and no
// request looks up a key.

import type { FractionData } from './matcher-data.ts';

/** One Float64: the value now. */
export interface RuntimeWord {
  readonly live: SharedArrayBuffer;
  /** Which of several words, default 0. */
  readonly at?: number;
}

/** core.v3.RuntimeUInt32, RuntimeDouble, RuntimePercent: constant, or a word. */
export type RuntimeNumber = number | RuntimeWord;

/** core.v3.RuntimeFeatureFlag: constant, or a word that is 0 or 1. */
export type RuntimeFlag = boolean | RuntimeWord;

/** What one key says in one layer. A value that has no such form is null. */
export interface RuntimeEntry {
  /** As /runtime shows it. */
  readonly raw: string;
  /** Whole part of `double`; null when that is negative. */
  readonly integer: number | null;
  readonly double: number | null;
  readonly boolean: boolean | null;
  readonly fraction: FractionData | null;
}

/** The values of one layer, by key. */
export type RuntimeValues = ReadonlyMap<string, RuntimeEntry>;

/** A layer that came by RTDS. */
export interface RuntimeResource {
  /** resourceId. */
  readonly id: string;
  readonly values: RuntimeValues;
}

/** A key with the form it is read in and the value that counts while no layer has it in that form. */
export interface RuntimeKey {
  readonly key: string;
  readonly kind: 'integer' | 'double';
  readonly otherwise: number;
}

/** config.bootstrap.v3.RuntimeLayer. */
export type RuntimeLayerConfig =
  | { readonly kind: 'static'; readonly name: string; readonly values: RuntimeValues }
  | {
      readonly kind: 'disk';
      readonly name: string;
      /** Watched: what takes its place by rename is loaded. */
      readonly symlinkRoot: string;
      /** The directory that is read. */
      readonly path: string;
    }
  /** `resource`: resourceId of what is subscribed to. */
  | { readonly kind: 'rtds'; readonly name: string; readonly resource: string }
  | { readonly kind: 'admin'; readonly name: string };

/** The runtime as the bootstrap sets it up. */
export interface RuntimeLayers extends RuntimeBindings {
  /** The layers, later ones over earlier ones, with what can be read at once. Before anything binds a key. */
  configure(layers: readonly RuntimeLayerConfig[]): void;
}

/** What compile functions see of the runtime. Without a layer that can change, all are constants. */
export interface RuntimeBindings {
  /** Whole number >= 0. */
  integer(key: string, otherwise: number): RuntimeNumber;
  double(key: string, otherwise: number): RuntimeNumber;
  flag(key: string, otherwise: boolean): RuntimeFlag;
  /** A whole number counts as percent. */
  fraction(key: string, otherwise: FractionData): FractionData;
  /** The same for several keys, in one piece of memory: for keys of which every cluster has some of its own. */
  numbers(keys: readonly RuntimeKey[]): readonly RuntimeNumber[];
}
