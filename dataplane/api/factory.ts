// How an extension enters the product. Each has two halves, because descriptors live only in the main
// thread (they cost 13-20 MB per thread) while requests are served by workers:
//
//   main:    extensions/<category>/<name>/config.ts   proto message -> plain, structured-cloneable data
//   worker:  extensions/<category>/<name>/filter.ts   that data -> runtime config with createFilter()
//
// server/extensions.ts lists the first halves, server/worker-extensions.ts the second; both are values,
// so a test builds a registry of two factories.

import type { Clock, Random } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { FieldError, Result } from '../../common/result.ts';
import type { TimerService } from '../../common/timer.ts';
import type { AccessLogger } from './access-log.ts';
import type { ClusterManager } from './cluster.ts';
import type { ConfigSource } from './config/config-source.ts';
import type { GrpcTarget } from './config/grpc-target.ts';
import type { SecretData } from './config/tls.ts';
import type { DnsCaches } from './dns-cache.ts';
import type { HttpFilterConfig } from './http-filter.ts';
import type { ListenerFilterConfig } from './listener-filter.ts';
import type { NetworkFilterConfig } from './network-filter.ts';
import type { OnDemand } from './on-demand.ts';
import type { ResourceReference } from './resource-compiler.ts';
import type { DynamicVirtualHosts, RouteTable, Scopes } from './route.ts';
import type { RuntimeBindings } from './runtime.ts';
import type { StatsStore } from './stats.ts';

/** A shared, buffered destination of lines; implemented by access-log/sink. */
export interface LogSink {
  append(line: string): void;
}

export type Category =
  | 'http-filter'
  | 'network-filter'
  | 'listener-filter'
  | 'downstream-transport-socket'
  | 'upstream-transport-socket'
  | 'access-logger'
  | 'retry-host-predicate'
  | 'internal-redirect-predicate'
  | 'retry-priority'
  | 'original-ip-detection'
  | 'request-id'
  | 'header-formatter'
  | 'http-stateful-session'
  | 'cert-validator';

/** Plain data: what structured clone carries to a worker unchanged. */
export type PlainData =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly PlainData[]
  | { readonly [key: string]: PlainData | undefined };

/** An extension's config as it travels to the workers. */
export interface ExtensionData {
  /** Config name given by the user, e.g. `envoy.filters.http.router` (any name is allowed there). */
  readonly name: string;
  /** Canonical extension name: the key of the worker half. */
  readonly extension: string;
  /** What compile() made; the worker half casts it to its own exported data type. */
  readonly data: unknown;
}

/** Main-thread half. `Message` is the generated plain-object type of the proto message. */
export interface ExtensionConfigFactory<Message = never> {
  /** Canonical name, e.g. `envoy.filters.http.cors`. */
  readonly name: string;
  readonly category: Category;
  /** Full message names its typed_config may have. */
  readonly configTypes: readonly string[];
  /** For typed_per_filter_config; empty = no per-route config. */
  readonly routeConfigTypes?: readonly string[];
  /** HTTP and network filters: must be the last of its chain, and the last must be one. */
  readonly isTerminal?: boolean;
  /** All errors at once; paths are relative to the message. The result is frozen plain data. */
  compile(config: Message, context: CompileContext): Result<unknown, FieldError[]>;
  compileRoute?(config: never, context: CompileContext): Result<unknown, FieldError[]>;
}

/** What a main-thread half may use. Paths given to it are relative to the message being compiled. */
export interface CompileContext {
  /**
   * Decodes and compiles a nested Any / TypedExtensionConfig of one category. The errors' paths begin
   * with `path` and go on below its `typed_config`.
   */
  compileExtension(
    category: Category,
    extension: NamedAny,
    path: string,
  ): Result<ExtensionData, FieldError[]>;
  /** One entry of a typed_per_filter_config. Null = optional and of unknown type: leave it out. */
  compileRouteExtension(
    filterName: string,
    config: DecodedAny,
    path: string,
  ): Result<RouteExtensionData | null, FieldError[]>;
  /** False when no extension of that category answers to the type of its typed_config. */
  isKnown(category: Category, extension: NamedAny): boolean;
  /** Whether that extension (by canonical name) must stand last in its chain. */
  isTerminal(category: Category, extension: string): boolean;
  /** The same, of the extension whose config is of that message type. */
  isTerminalType(category: Category, typeName: string): boolean;
  /** The resource the message came in may only refer to what exists there ('static' or 'dynamic'). */
  readonly source: 'static' | 'dynamic';
  /**
   * Tells that traffic may be sent to that cluster. False = there is no such cluster; true also when that
   * cannot be known yet (dynamic clusters).
   */
  referenceCluster(name: string): boolean;
  /** Of the aggregated stream that `ads: {}` means; null = there is none. */
  readonly adsProtocol: 'DELTA_GRPC' | 'GRPC' | null;
  /** Where the resource being compiled came from, which is what `self` means; null = the bootstrap. */
  readonly parentSource: ConfigSource | null;
  /** Tells that what is compiled needs that resource before it can serve: xds/ subscribes to it. */
  referTo(reference: ResourceReference): void;
  /** Tells that requests may make us ask for something: the xDS client is needed, whatever else there is. */
  mayAskLater(): void;
  /**
   * A cluster of static_resources as the end of a connection of our own; the error is fit for the user. What its
   * connections need is referred to.
   */
  clusterTarget(name: string): Result<GrpcTarget, string>;
  /** A secret of static_resources, or null. */
  staticSecret(name: string): SecretData | null;
  /**
   * Zeroed memory for counters that hold over all workers: put into the compiled data, it arrives in each of
   * them as the same memory (common/shared-memory.ts). `key`: shared by all configs that name it.
   */
  sharedMemory(bytes: number, key?: string): SharedArrayBuffer;
  /** Binds what config says to the keys of Envoy's runtime that it names. */
  readonly runtime: RuntimeBindings;
  /** DataSource.filename; the error is fit for the user (`no such file`). */
  readFile(path: string): Result<Buffer, string>;
  /** DataSource.environment_variable. */
  environment(name: string): string | undefined;
  /** Something that was accepted but had no effect: counted and logged. */
  warn(path: string, message: string): void;
}

/** A compiled per-route override. */
export interface RouteExtensionData {
  /** Canonical extension name; '' when only `disabled` was said. */
  readonly extension: string;
  readonly data: unknown;
  readonly disabled: boolean;
}

/** name + typed_config as decoded by proto/any: message null = unknown type. */
export interface NamedAny {
  readonly name: string;
  readonly typed_config?: DecodedAny;
}

/** A google.protobuf.Any decoded once, where it was met (see proto/any.ts). */
export interface DecodedAny {
  readonly type_url: string;
  /** Full message name of what `message` is (TypedStruct already unwrapped). */
  readonly type_name: string;
  /** Plain object with proto field names, or null when the type is unknown to us. */
  readonly message: Readonly<Record<string, unknown>> | null;
  /** Original bytes (for config_dump and for unknown types). */
  readonly value: Uint8Array;
}

/** Worker-side services that a runtime half may use. */
export interface WorkerContext {
  readonly clusterManager: ClusterManager;
  readonly dnsCaches: DnsCaches;
  readonly onDemand: OnDemand;
  readonly stats: StatsStore;
  readonly timers: TimerService;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** 0-based. */
  readonly workerIndex: number;
  readonly concurrency: number;
  /** Local node facts for header formats and logs. */
  readonly node: { readonly id: string; readonly cluster: string; readonly zone: string };
  /**
   * Code of ours threw where it may not. Counted (server.envoy_bug_failures) and logged; the caller gives up
   * the request or connection that it was busy with, and nothing else.
   */
  reportBug(thrown: unknown): void;
  /** The current table of an RDS name; changes are told to `onUpdate`. Null until it arrived. */
  subscribeRoutes(name: string, onUpdate: (table: RouteTable) => void): RouteTable | null;
  /** The current config of an ECDS id; changes are told to `onUpdate`. Null = there is none. */
  subscribeExtensionConfig(
    id: string,
    onUpdate: (config: ExtensionData | null) => void,
  ): ExtensionData | null;
  unsubscribeExtensionConfig(id: string, onUpdate: (config: ExtensionData | null) => void): void;
  /** Ends a subscription: the same arguments, once. */
  unsubscribeRoutes(name: string, onUpdate: (table: RouteTable) => void): void;
  /** Of ScopedRoutesData's collection. */
  scopes(collection: string): Scopes;
  /** Of VhdsData.id. */
  dynamicHosts(id: string): DynamicVirtualHosts;
  /** The buffered writer of a log file (or /dev/stdout); throws when it cannot be opened. */
  logSink(path: string): LogSink;
  /** Builds access loggers from compiled data. */
  createAccessLogger(data: ExtensionData): AccessLogger;
  createHttpFilter(data: ExtensionData, context: HttpFilterContext): HttpFilterConfig;
  /** Worker half of a filter's per-route config, or the data itself when it has none. */
  createRouteFilterConfig(extension: string, data: unknown): unknown;
  /** `listener`: whose filter it is. */
  createNetworkFilter(data: ExtensionData, listener: FilterListener): NetworkFilterConfig;
  createListenerFilter(data: ExtensionData, listener: FilterListener): ListenerFilterConfig;
  /** /healthcheck/fail was asked for: every response ends its connection. */
  healthchecksFail(): boolean;
}

export interface HttpFilterContext {
  /** HCM's stat_prefix: filters' stats hang below `http.<stat_prefix>.` */
  readonly statPrefix: string;
  readonly worker: WorkerContext;
}

/** Worker halves. */
export interface HttpFilterFactory {
  readonly name: string;
  create(data: unknown, context: HttpFilterContext): HttpFilterConfig;
  createRouteConfig?(data: unknown): unknown;
}
export interface NetworkFilterFactory {
  readonly name: string;
  /** `listener`: whose filter chain it belongs to. */
  create(data: unknown, context: WorkerContext, listener?: FilterListener): NetworkFilterConfig;
}

/** The listener as its network filters may know it. */
export interface FilterListener {
  /** Between `listener.` and the rest of a stat's name. */
  readonly statPrefix: string;
  readonly drainType: 'DEFAULT' | 'MODIFY_ONLY';
  readonly perConnectionBufferLimitBytes: number;
}
export interface ListenerFilterFactory {
  readonly name: string;
  create(data: unknown, context: WorkerContext, listener?: FilterListener): ListenerFilterConfig;
}
export interface AccessLoggerFactory {
  readonly name: string;
  create(data: unknown, context: WorkerContext): AccessLogger;
}
