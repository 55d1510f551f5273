// From an Any to compiled data: looks up the extension that answers to its type and lets it compile.
// This is the CompileContext that all compile functions get, and the only thing of config/ that
// extensions know. One root context per resource; each extension gets a child that knows its path.

import {
  err,
  type FieldError,
  formatFieldError,
  joinPath,
  ok,
  type Result,
} from '../../common/result.ts';
import type { SharedMemory } from '../../common/shared-memory.ts';
import type { FilterConfigProto } from '../../proto/gen/types.ts';
import { isTypedStruct } from '../../proto/special-types.ts';
import { typeNameOf } from '../../proto/type-urls.ts';
import type { ConfigSource } from '../api/config/config-source.ts';
import type { GrpcTarget } from '../api/config/grpc-target.ts';
import type { SecretData } from '../api/config/tls.ts';
import type {
  Category,
  CompileContext,
  DecodedAny,
  ExtensionData,
  NamedAny,
  RouteExtensionData,
} from '../api/factory.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { RuntimeBindings } from '../api/runtime.ts';
import type { References } from './references.ts';
import type { AnyFactory, FactoryRegistry } from './registry.ts';

/** A cluster that was named, and what is wrong with it as such an end: paths begin at the bootstrap. */
export interface NamedCluster {
  readonly target: GrpcTarget;
  readonly errors: readonly FieldError[];
  /** Secrets that its connections need. */
  readonly references: readonly ResourceReference[];
}

/** Static clusters as ends of connections of our own; grpc-target.ts compiles them. */
export interface StaticTargets {
  /** Null = there is no such cluster in the bootstrap. */
  get(name: string): NamedCluster | null;
}

/** What compiling may look at besides the message. One value per process for dynamic resources. */
export interface ConfigEnvironment {
  readonly registry: FactoryRegistry;
  readonly readFile: (path: string) => Result<Buffer, string>;
  readonly environment: (name: string) => string | undefined;
  readonly sharedMemory: SharedMemory;
  /** Secrets of static_resources by name. */
  readonly staticSecrets: ReadonlyMap<string, SecretData>;
  /** Static clusters that management servers may be reached by; null = there are none here. */
  readonly clusterTargets: StaticTargets | null;
  readonly runtime: RuntimeBindings;
}

/** What one resource, or all static resources together, have of their own. */
export interface ConfigRun {
  readonly environment: ConfigEnvironment;
  readonly source: 'static' | 'dynamic';
  readonly adsProtocol: CompileContext['adsProtocol'];
  /** Null = the bootstrap. */
  readonly parentSource: ConfigSource | null;
  /** Filled while compiling: what has to come by discovery. */
  readonly references: References;
  /** Names of all clusters there can be; null = not known yet. */
  readonly knownClusters: ReadonlySet<string> | null;
  /** Filled while compiling: clusters that traffic may be sent to. */
  readonly referencedClusters: Set<string>;
  /** Filled while compiling. */
  readonly warnings: FieldError[];
}

const FILTER_CONFIG = 'envoy.config.route.v3.FilterConfig';

export class ConfigContext implements CompileContext {
  readonly source: 'static' | 'dynamic';
  readonly adsProtocol: CompileContext['adsProtocol'];
  readonly parentSource: ConfigSource | null;
  readonly #run: ConfigRun;
  /** Where the message that is being compiled lies in the resource. */
  readonly #path: string;

  constructor(run: ConfigRun, path = '') {
    this.#run = run;
    this.#path = path;
    this.source = run.source;
    this.adsProtocol = run.adsProtocol;
    this.parentSource = run.parentSource;
  }

  compileExtension(
    category: Category,
    extension: NamedAny,
    path: string,
  ): Result<ExtensionData, FieldError[]> {
    const at = joinPath(path, 'typed_config');
    const any = extension.typed_config;
    if (any === undefined) return err([{ path: at, message: 'is required' }]);
    const factory = this.#run.environment.registry.forType(category, any.type_name);
    if (factory === null || any.message === null) return err([unusable(any, at)]);
    const data = this.#compile(factory, any, at, false);
    return data.ok ? ok({ name: extension.name, extension: factory.name, data: data.value }) : data;
  }

  compileRouteExtension(
    filterName: string,
    config: DecodedAny,
    path: string,
  ): Result<RouteExtensionData | null, FieldError[]> {
    if (config.type_name !== FILTER_CONFIG || config.message === null) {
      return this.#compileRoute(config, path, false);
    }
    const wrapper = config.message as FilterConfigProto; // decoded as that very type
    const disabled = wrapper.disabled ?? false;
    const inner = wrapper.config;
    const at = joinPath(path, 'config');
    if (inner === undefined) {
      return disabled
        ? ok({ extension: '', data: null, disabled })
        : err([{ path: at, message: 'is required unless disabled is true' }]);
    }
    if (
      wrapper.is_optional === true &&
      this.#run.environment.registry.forRouteType(inner.type_name) === null
    ) {
      this.warn(path, `optional config of filter '${filterName}' is of unknown type and left out`);
      return ok(null);
    }
    return this.#compileRoute(inner, at, disabled);
  }

  isKnown(category: Category, extension: NamedAny): boolean {
    const type = extension.typed_config?.type_name ?? '';
    return this.#run.environment.registry.forType(category, type) !== null;
  }

  isTerminal(category: Category, extension: string): boolean {
    return this.#run.environment.registry.forName(category, extension)?.isTerminal ?? false;
  }

  isTerminalType(category: Category, typeName: string): boolean {
    return this.#run.environment.registry.forType(category, typeName)?.isTerminal ?? false;
  }

  referenceCluster(name: string): boolean {
    this.#run.referencedClusters.add(name);
    return this.#run.knownClusters?.has(name) ?? true;
  }

  referTo(reference: ResourceReference): void {
    this.#run.references.add(reference);
  }

  mayAskLater(): void {
    this.#run.references.mayGrow = true;
  }

  clusterTarget(name: string): Result<GrpcTarget, string> {
    const named = this.#run.environment.clusterTargets?.get(name) ?? null;
    if (named === null) return err(`unknown cluster '${name}'`);
    // Those of the bootstrap are told by the bootstrap, with their place.
    const [error] = this.source === 'static' ? [] : named.errors;
    if (error !== undefined) return err(`cluster '${name}': ${formatFieldError(error)}`);
    for (const reference of named.references) this.referTo(reference);
    return ok(named.target);
  }

  staticSecret(name: string): SecretData | null {
    return this.#run.environment.staticSecrets.get(name) ?? null;
  }

  sharedMemory(bytes: number, key?: string): SharedArrayBuffer {
    return this.#run.environment.sharedMemory.allocate(bytes, key ?? null);
  }

  get runtime(): RuntimeBindings {
    return this.#run.environment.runtime;
  }

  readFile(path: string): Result<Buffer, string> {
    return this.#run.environment.readFile(path);
  }

  environment(name: string): string | undefined {
    return this.#run.environment.environment(name);
  }

  warn(path: string, message: string): void {
    this.#run.warnings.push({ path: joinPath(this.#path, path), message });
  }

  #compileRoute(
    config: DecodedAny,
    path: string,
    disabled: boolean,
  ): Result<RouteExtensionData, FieldError[]> {
    const factory = this.#run.environment.registry.forRouteType(config.type_name);
    if (factory === null || config.message === null) return err([unusable(config, path)]);
    const data = this.#compile(factory, config, path, true);
    return data.ok ? ok({ extension: factory.name, data: data.value, disabled }) : data;
  }

  #compile(
    factory: AnyFactory,
    any: DecodedAny,
    path: string,
    isRoute: boolean,
  ): Result<unknown, FieldError[]> {
    // The fields of a TypedStruct stand in its `value`.
    const inside = isTypedStruct(typeNameOf(any.type_url)) ? joinPath(path, 'value') : path;
    const context = new ConfigContext(this.#run, joinPath(this.#path, inside));
    // The registry matched the message's type with the factory's: it is what the factory expects.
    const message = any.message as never;
    const compile = isRoute ? factory.compileRoute : factory.compile;
    const result = compile?.call(factory, message, context) ?? ok(null);
    if (result.ok) return result;
    return err(
      result.errors.map(({ path: below, message: text }) => ({
        path: joinPath(inside, below),
        message: text,
      })),
    );
  }
}

/** Envoy knows far more extensions than we do; a type that nobody knows is more likely a slip. */
function unusable(any: DecodedAny, path: string): FieldError {
  return any.message === null
    ? { path, message: `unknown type '${any.type_url}'` }
    : { path, message: `not supported yet (${any.type_name})` };
}
