// typed_per_filter_config of one level, and the levels of a route together (most specific first).

import type { PerFilterConfigData } from '../api/config/route.ts';

/** Makes the runtime form of one override (WorkerContext.createRouteFilterConfig). */
export type CreateRouteFilterConfig = (extension: string, data: unknown) => unknown;

interface FilterOverride {
  /** Null when the level only says that the filter is disabled. */
  readonly config: unknown;
  readonly disabled: boolean;
}

/** Overrides of one level by the filter's configured name; null when there are none. */
export type FilterConfigs = ReadonlyMap<string, FilterOverride> | null;

/** Compiles one level. */
export function compileFilterConfigs(
  data: PerFilterConfigData,
  create: CreateRouteFilterConfig,
): FilterConfigs {
  const entries = Object.entries(data);
  if (entries.length === 0) return null;
  return new Map(
    entries.map(([name, { extension, data: config, disabled }]) => [
      name,
      { config: extension === '' ? null : create(extension, config), disabled },
    ]),
  );
}

const noConfigs: readonly unknown[] = [];

/** The levels of one route that have any overrides, most specific first. Routes without own ones share it. */
export class FilterConfigLevels {
  readonly #levels: readonly NonNullable<FilterConfigs>[];

  constructor(levels: readonly FilterConfigs[]) {
    this.#levels = levels.filter((level) => level !== null);
  }

  get(filterName: string): unknown {
    for (let i = 0; i < this.#levels.length; i++) {
      const config = this.#levels[i]!.get(filterName)?.config ?? null;
      if (config !== null) return config;
    }
    return null;
  }

  getAll(filterName: string): readonly unknown[] {
    if (this.#levels.length === 0) return noConfigs;
    const configs: unknown[] = [];
    for (const level of this.#levels) {
      const config = level.get(filterName)?.config ?? null;
      if (config !== null) configs.push(config);
    }
    return configs.length === 0 ? noConfigs : configs;
  }

  /** The most specific level that names the filter decides. */
  isDisabled(filterName: string): boolean {
    for (let i = 0; i < this.#levels.length; i++) {
      const override = this.#levels[i]!.get(filterName);
      if (override !== undefined) return override.disabled;
    }
    return false;
  }
}
