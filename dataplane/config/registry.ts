// All extensions that this process knows, by category and by the message types of their configs. A
// value that server/extensions.ts fills, so that a test builds one of two factories.

import type { Category, ExtensionConfigFactory } from '../api/factory.ts';

/** A factory whose message type was forgotten: it is only handed what was decoded as that type. */
export type AnyFactory = ExtensionConfigFactory<never>;

export class FactoryRegistry {
  readonly #byType = new Map<string, AnyFactory>();
  readonly #byRouteType = new Map<string, AnyFactory>();
  readonly #byName = new Map<string, AnyFactory>();
  readonly #all: readonly AnyFactory[];

  /** Throws when two factories claim the same name or message type in one category. */
  constructor(factories: readonly AnyFactory[]) {
    this.#all = factories;
    for (const factory of factories) {
      const { category } = factory;
      put(this.#byName, category, factory.name, factory);
      for (const type of factory.configTypes) put(this.#byType, category, type, factory);
      for (const type of factory.routeConfigTypes ?? []) {
        put(this.#byRouteType, category, type, factory);
      }
    }
  }

  /** The factory whose typed_config may be of that message type. */
  forType(category: Category, typeName: string): AnyFactory | null {
    return this.#byType.get(`${category} ${typeName}`) ?? null;
  }

  /** The HTTP filter whose per-route config may be of that message type. */
  forRouteType(typeName: string): AnyFactory | null {
    return this.#byRouteType.get(`http-filter ${typeName}`) ?? null;
  }

  /** By canonical name. */
  forName(category: Category, name: string): AnyFactory | null {
    return this.#byName.get(`${category} ${name}`) ?? null;
  }

  /** In the order they were given. */
  all(): readonly AnyFactory[] {
    return this.#all;
  }
}

function put(
  map: Map<string, AnyFactory>,
  category: Category,
  name: string,
  factory: AnyFactory,
): void {
  const key = `${category} ${name}`;
  const other = map.get(key);
  if (other !== undefined) {
    throw new Error(`${name} is claimed by both ${other.name} and ${factory.name} (${category})`);
  }
  map.set(key, factory);
}
