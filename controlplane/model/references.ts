// How one document names another: Services by namespace and name, ServiceVersions as
// `<service>-<version>`. Used by the semantic checks and by the graph builder.

import type { GrpcRoute } from './kinds/grpc-route.ts';
import type { HttpRoute } from './kinds/http-route.ts';
import type { BackendRef } from './kinds/route-parts.ts';
import type { Service } from './kinds/service.ts';
import type { TrafficPolicy } from './kinds/traffic-policy.ts';
import { keyOf, namespaceOf, type ObjectKey, objectKey } from './object.ts';
import type { DocumentPath } from './problem.ts';

/** Reports a problem of the document under check. */
export type Report = (path: DocumentPath, message: string) => void;

export type RouteKind = (HttpRoute | GrpcRoute)['kind'];

export interface Backend {
  readonly service: Service;
  /** null = every version. */
  readonly version: string | null;
}

export class ServiceIndex {
  readonly #services = new Map<string, Service>();
  /** `namespace/service-version` -> what it can mean (two when names collide). */
  readonly #versions = new Map<string, Backend[]>();

  constructor(services: Iterable<Service>) {
    for (const service of services) {
      const namespace = namespaceOf(service);
      this.#services.set(`${namespace}/${service.metadata.name}`, service);
      for (const { name: version } of service.spec.versions ?? []) {
        const key = `${namespace}/${service.metadata.name}-${version}`;
        const meanings = this.#versions.get(key) ?? [];
        meanings.push({ service, version });
        this.#versions.set(key, meanings);
      }
    }
  }

  service(namespace: string, name: string): Service | null {
    return this.#services.get(`${namespace}/${name}`) ?? null;
  }

  /** What a backendRef of a route in `namespace` means; null when it names nothing. */
  backend(namespace: string, ref: Pick<BackendRef, 'kind' | 'name'>): Backend | null {
    if (ref.kind === 'ServiceVersion') {
      return this.#versions.get(`${namespace}/${ref.name}`)?.[0] ?? null;
    }
    const service = this.service(namespace, ref.name);
    return service === null ? null : { service, version: null };
  }

  /** ServiceVersion names that two Services claim. */
  ambiguousVersions(): { readonly name: string; readonly meanings: readonly Backend[] }[] {
    return [...this.#versions]
      .filter(([, meanings]) => meanings.length > 1)
      .map(([name, meanings]) => ({ name: name.slice(name.indexOf('/') + 1), meanings }));
  }

  serviceNames(namespace: string): string[] {
    return namesIn(this.#services.keys(), namespace);
  }

  versionNames(namespace: string): string[] {
    return namesIn(this.#versions.keys(), namespace);
  }
}

/** HTTPRoutes and GRPCRoutes by name, for what is attached to them. */
export class RouteIndex {
  readonly #routes: ReadonlyMap<ObjectKey, HttpRoute | GrpcRoute>;

  constructor(routes: readonly (HttpRoute | GrpcRoute)[]) {
    this.#routes = new Map(routes.map((route) => [keyOf(route), route]));
  }

  /** null = there is no such route. */
  find(kind: RouteKind, namespace: string, name: string): HttpRoute | GrpcRoute | null {
    return this.#routes.get(objectKey(kind, namespace, name)) ?? null;
  }

  names(kind: RouteKind, namespace: string): string[] {
    return [...this.#routes.values()]
      .filter((route) => route.kind === kind && namespaceOf(route) === namespace)
      .map(({ metadata }) => metadata.name);
  }
}

function namesIn(keys: Iterable<string>, namespace: string): string[] {
  const prefix = `${namespace}/`;
  return [...keys].filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length));
}

/** The Service, or null after saying what exists instead. */
export function findService(
  services: ServiceIndex,
  namespace: string,
  name: string,
  complain: (message: string) => void,
): Service | null {
  const service = services.service(namespace, name);
  if (service === null) {
    complain(
      `Service "${name}" does not exist in namespace "${namespace}" (${listed(services.serviceNames(namespace))})`,
    );
  }
  return service;
}

const LISTED_NAMES = 10;

/** `it has a, b` for messages, bounded. */
export function listed(names: readonly string[]): string {
  if (names.length === 0) return 'it has none';
  const shown = names.slice(0, LISTED_NAMES).join(', ');
  return names.length > LISTED_NAMES ? `it has ${shown}, ...` : `it has ${shown}`;
}

/** What a TrafficPolicy of that namespace is attached to: at most one is attached to each. */
export function targetKey(
  namespace: string,
  { kind, name, sectionName }: TrafficPolicy['spec']['targetRef'],
): string {
  const rule = sectionName === undefined ? '' : ` rule ${sectionName}`;
  return `${kind} ${namespace}/${name}${rule}`;
}
