// The sidecar put together, in the main thread: workers, clusters' supervision, xDS client, admin, drain.
// Nobody but dataplane/main.ts and tests makes one.
//
//   PRE_INITIALIZING --workers up--> INITIALIZING --clusters, xDS, listeners--> LIVE --shutdown()--> DRAINING --> end

import { appendFile } from 'node:fs';
import type { Socket } from 'node:net';
import { byteString } from '../../common/byte-string.ts';
import { systemClock, systemRandom } from '../../common/clock.ts';
import { errorText } from '../../common/coded-error.ts';
import { createLogger, type Logger, type LogLevel, pinoLevel } from '../../common/logger.ts';
import { TimerWheel } from '../../common/timer.ts';
import { LogSinks } from '../access-log/sinks.ts';
import type { BootstrapConfig } from '../api/config/bootstrap.ts';
import type { Locality } from '../api/config/cluster.ts';
import { ROUTE_BREAKER_MEMORY } from '../api/config/error-ratio-breaker.ts';
import type { ListenerConfig } from '../api/config/listener.ts';
import type { SocketAddress } from '../api/connection.ts';
import type { DrainStrategy } from '../api/drain.ts';
import { type OnDemandOutcome, onDemandKey } from '../api/on-demand.ts';
import type { ResourceReference } from '../api/resource-compiler.ts';
import type { ResourceSink } from '../api/resource-sink.ts';
import type { ConfigInputs } from '../config/resource-compiler.ts';
import type { JoinClient, JoinedMesh } from '../join/join-client.ts';
import { connectionCountMemory } from '../listener/connection-limit.ts';
import { listenerManagerScope } from '../listener/listener-stats.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { runtimeScope } from '../runtime/runtime-stats.ts';
import { mergeSnapshots, type StatEntry, takeSnapshot } from '../stats/snapshot.ts';
import { HolderStore } from '../stats/store.ts';
import { breakerSlot, type NamedBreaker, readBreaker } from '../upstream/error-ratio-breaker.ts';
import { adminPages } from './admin/pages.ts';
import { AdminServer } from './admin/router.ts';
import type { AdminSources, DrainRequest, ServerState } from './admin/sources.ts';
import type { AdsConnection } from './ads-connection.ts';
import { CertificateInventory } from './certificates.ts';
import { ClusterDirectory } from './cluster-directory.ts';
import { configDump } from './config-dump.ts';
import { clientStatus } from './csds/client-status.ts';
import type { CsdsService } from './csds/csds-service.ts';
import { defaultConnectionLimit } from './descriptor-limit.ts';
import { LastGood } from './last-good.ts';
import { LazyScopes } from './lazy-scopes.ts';
import { ListenerRegistry } from './listener-registry.ts';
import { nodeOf } from './node.ts';
import { ServerStats, serverScope, serverStateNumber } from './server-stats.ts';
import { Supervisor } from './supervisor.ts';
import { trimHeap } from './trim-heap.ts';
import { heartBeatMemory, Watchdog } from './watchdog.ts';
import type { FromWorker } from './worker-channel.ts';

export interface ServerOptions {
  readonly bootstrap: BootstrapConfig;
  readonly inputs: ConfigInputs & { readonly runtime: Runtime };
  /** Worker threads, >= 1. */
  readonly concurrency: number;
  readonly logLevel: LogLevel;
  readonly drainTimeMs: number;
  readonly drainStrategy: DrainStrategy;
  readonly shutdownTimeMs: number;
  /** For /server_info: admin.v3.CommandLineOptions as JSON. */
  readonly commandLine: Readonly<Record<string, unknown>>;
  /** Null = started from a bootstrap. */
  readonly membership: { readonly client: JoinClient; readonly mesh: JoinedMesh } | null;
  readonly onAdminListening: (address: SocketAddress) => void;
}

/** Between leaving the mesh and closing listeners: peers must hear of it and stop coming. */
const LEAVE_GRACE_MS = 1500;
/**
 * In so much of the shutdown time every connection hears of the end. The rest is for the requests that are under
 * way then, and for those that follow long responses which began without Connection: close.
 */
const SHUTDOWN_WINDOW_SHARE = 1 / 8;
const MS_PER_SECOND = 1000;
/** In force where overload_manager says nothing. */
const MAX_CONNECTIONS_KEY = 'overload.global_downstream_max_connections';

/** What a drain is about; see worker-channel.ts. */
interface ListenerDrain {
  readonly inboundOnly: boolean;
  readonly closeListeners: boolean;
  readonly windowMs: number;
}

export class Server implements ResourceSink, AdminSources {
  readonly #options: ServerOptions;
  readonly #logger: Logger;
  readonly #clock = systemClock;
  readonly #timers = new TimerWheel();
  readonly #stats = new HolderStore();
  readonly #serverStats = new ServerStats();
  readonly #lazyScopes = new LazyScopes();
  readonly #startMs = systemClock.nowMs();
  readonly #supervisor: Supervisor;
  readonly #clusters: ClusterDirectory;
  readonly #listeners: ListenerRegistry;
  readonly #certificates = new CertificateInventory();
  /** Event logs of health checks. */
  readonly #logSinks: LogSinks;
  #admin: AdminServer | null = null;
  #csds: CsdsService | null = null;
  #watchdog: Watchdog | null = null;
  #ads: AdsConnection | null = null;
  #lastGood: LastGood | null = null;
  #reportStreams: Disposable | null = null;
  #state: ServerState = 'PRE_INITIALIZING';
  #healthchecksFail = false;
  /** /drain_listeners?graceful */
  #isListenerDrainStarted = false;
  #logLevel: LogLevel;
  #finish: (exitCode: number) => void = () => {};
  readonly #finished: Promise<number>;

  constructor(options: ServerOptions) {
    this.#options = options;
    this.#logLevel = options.logLevel;
    this.#logger = createLogger(options.logLevel, 'main');
    this.#logSinks = new LogSinks(this.#timers, this.#stats, this.#logger);
    this.#finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    this.#supervisor = new Supervisor(
      {
        onMessage: (_worker, message) => this.#onWorkerMessage(message),
        onWorkerDied: (worker, reason) => {
          this.#logger.fatal({ worker, reason }, 'a worker died; the process cannot go on');
          this.#finish(1);
        },
      },
      this.#logger,
    );
    this.#clusters = new ClusterDirectory({
      supervisor: this.#supervisor,
      stats: this.#stats,
      clock: this.#clock,
      random: systemRandom,
      timers: this.#timers,
      onWarm: () => this.#ads?.onClusterWarm(),
      onOutlierEvent: (event) => this.#logOutlierEvent(event),
      onHealthCheckEvent: (paths, line) => this.#logHealthCheckEvent(paths, line),
    });
    this.#listeners = new ListenerRegistry(this.#supervisor, this.#logger);
    this.#stats.add(serverScope, this.#serverStats);
    this.#stats.add(listenerManagerScope, this.#listeners.stats);
    this.#stats.add(runtimeScope, options.inputs.runtime.stats);
  }

  /** Starts, serves until shutdown; the exit code. Rejects when it cannot start. */
  async run(): Promise<number> {
    const { bootstrap, concurrency } = this.#options;
    const { runtime } = this.#options.inputs;
    const maxConnections =
      bootstrap.maxDownstreamConnections ??
      runtime.integer(MAX_CONNECTIONS_KEY, defaultConnectionLimit() ?? Number.POSITIVE_INFINITY);
    runtime.countDeprecated(bootstrap.warnings);
    for (const { path, message } of bootstrap.warnings) this.#logger.warn({ path }, message);
    const heartBeats = heartBeatMemory(concurrency);
    this.#watchdog = new Watchdog(heartBeats, this.#clock, this.#timers, this.#stats);
    try {
      await this.#startAdmin();
      await this.#supervisor.start(concurrency, {
        heartBeats,
        logLevel: this.#logLevel,
        drainTimeMs: this.#options.drainTimeMs,
        drainStrategy: this.#options.drainStrategy,
        globalConnectionLimit:
          maxConnections === Number.POSITIVE_INFINITY
            ? null
            : { count: connectionCountMemory(), max: maxConnections },
        node: {
          id: bootstrap.node.id,
          cluster: bootstrap.node.cluster,
          zone: bootstrap.node.locality.zone,
        },
        locality: saidLocality(bootstrap.node.locality),
        localClusterName: bootstrap.localClusterName,
      });
      this.#listeners.stats.workersStarted = 1;
      this.#setState('INITIALIZING');
      await this.#initialize(bootstrap);
    } catch (thrown) {
      await this.#end();
      throw thrown;
    }
    const exitCode = await this.#finished;
    await this.#end();
    return exitCode;
  }

  /** SIGTERM: leave the mesh, drain, end; at most shutdownTimeMs. */
  shutdown(): void {
    if (this.#state === 'DRAINING') return;
    this.#setState('DRAINING');
    this.#logger.info({}, 'draining');
    const { membership, shutdownTimeMs } = this.#options;
    this.#timers.createTimer(() => this.#finish(0), null).start(shutdownTimeMs);
    if (membership !== null) void membership.client.leave();
    const graceMs = membership === null ? 0 : Math.min(LEAVE_GRACE_MS, shutdownTimeMs / 4);
    this.#timers
      .createTimer(() => {
        const leftMs = shutdownTimeMs - graceMs;
        const windowMs = Math.min(this.#options.drainTimeMs, leftMs * SHUTDOWN_WINDOW_SHARE);
        const order = { inboundOnly: false, closeListeners: true, windowMs };
        this.#listeners.countStopped(false);
        void this.#drain(order).then(() => this.#finish(0));
      }, null)
      .start(graceMs);
  }

  /** Something threw where nobody catches it: counted, and all else goes on. */
  reportBug(thrown: unknown): void {
    this.#serverStats.envoyBugFailures++;
    this.#logger.error({ err: thrown }, 'a bug: what met it was given up');
  }

  /** The second signal: no more waiting. */
  stopNow(): void {
    this.#finish(0);
  }

  // ResourceSink: what the xDS client accepted.

  applyCluster(cluster: Parameters<ResourceSink['applyCluster']>[0]): void {
    this.#certificates.setCluster(cluster);
    this.#clusters.addOrUpdate(cluster, true);
  }

  removeCluster(name: string): void {
    // A static cluster of that name is not CDS's to remove.
    if (this.#options.bootstrap.clusters.some((cluster) => cluster.name === name)) return;
    this.#certificates.removeCluster(name);
    this.#clusters.remove(name);
  }

  isClusterWarming(name: string): boolean {
    return this.#clusters.isWarming(name);
  }

  applyEndpoints(assignment: Parameters<ResourceSink['applyEndpoints']>[0]): void {
    this.#clusters.applyEndpoints(assignment);
  }

  applySecret(secret: Parameters<ResourceSink['applySecret']>[0]): void {
    this.#certificates.setSecret(secret);
    this.#clusters.setSecret(secret);
    this.#supervisor.broadcast({ type: 'secret', secret });
  }

  removeSecret(): void {
    // Contexts that still name it keep their last good one.
  }

  applyListener(listener: ListenerConfig): void {
    this.#certificates.setListener(listener);
    this.#listeners.addOrUpdate(listener, true).catch((thrown: unknown) => {
      const error = errorText(thrown);
      this.#ads?.reportFailure('listener', listener.name, error);
      this.#logger.error({ error }, 'listener cannot be added');
    });
  }

  removeListener(name: string): void {
    if (this.#options.bootstrap.listeners.some((listener) => listener.name === name)) return;
    this.#certificates.removeListener(name);
    this.#listeners.remove(name);
  }

  applyRoute(config: Parameters<ResourceSink['applyRoute']>[0]): void {
    this.#supervisor.broadcast({ type: 'route', config });
  }

  removeRoute(name: string): void {
    this.#supervisor.broadcast({ type: 'route-remove', name });
  }

  applyScope(resource: Parameters<ResourceSink['applyScope']>[0]): void {
    this.#supervisor.broadcast({ type: 'scope', resource, isRemoval: false });
    this.#forgetRoutes(this.#lazyScopes.set(resource));
  }

  removeScope(resource: Parameters<ResourceSink['removeScope']>[0]): void {
    this.#supervisor.broadcast({ type: 'scope', resource, isRemoval: true });
    this.#forgetRoutes(this.#lazyScopes.delete(resource));
  }

  applyVirtualHost(resource: Parameters<ResourceSink['applyVirtualHost']>[0]): void {
    this.#supervisor.broadcast({ type: 'virtual-host', resource, isRemoval: false });
  }

  removeVirtualHost(resource: Parameters<ResourceSink['removeVirtualHost']>[0]): void {
    this.#supervisor.broadcast({ type: 'virtual-host', resource, isRemoval: true });
  }

  applyRuntime({ id, values }: Parameters<ResourceSink['applyRuntime']>[0]): void {
    this.#options.inputs.runtime.setRtdsLayer(id, values);
  }

  removeRuntime(id: string): void {
    this.#options.inputs.runtime.setRtdsLayer(id, null);
  }

  applyExtensionConfig({ id, config }: Parameters<ResourceSink['applyExtensionConfig']>[0]): void {
    this.#supervisor.broadcast({ type: 'extension-config', id, config });
  }

  removeExtensionConfig(id: string): void {
    this.#supervisor.broadcast({ type: 'extension-config', id, config: null });
  }

  forgetExtensionConfig(id: string): void {
    this.#supervisor.broadcast({ type: 'extension-config-forget', id });
  }

  onInitialized(): void {
    this.#onXdsInitialized();
  }

  // AdminSources.

  state(): ServerState {
    return this.#healthchecksFail ? 'DRAINING' : this.#state;
  }

  isStuck(): boolean {
    return this.#watchdog?.isAnyWorkerStuck() ?? false;
  }

  uptimeSeconds(): number {
    return Math.floor((this.#clock.nowMs() - this.#startMs) / MS_PER_SECOND);
  }

  async stats(): Promise<StatEntry[]> {
    const workers = await this.#supervisor.query('stats');
    const connections = await this.#supervisor.query('connections');
    const { heapUsed, heapTotal, rss } = process.memoryUsage();
    const stats = this.#serverStats;
    stats.uptime = this.uptimeSeconds();
    stats.state = serverStateNumber[this.state()];
    stats.live = this.state() === 'LIVE' ? 1 : 0;
    stats.concurrency = this.#options.concurrency;
    stats.memoryAllocated = heapUsed;
    stats.memoryHeapSize = heapTotal;
    stats.memoryPhysicalSize = rss;
    stats.totalConnections = connections.reduce((sum, count) => sum + count, 0);
    stats.daysUntilFirstCertExpiring = this.#certificates.daysUntilFirstExpiry(
      this.#clock.wallMs(),
    );
    return mergeSnapshots([takeSnapshot(this.#stats), ...workers]);
  }

  clusters(): ReturnType<AdminSources['clusters']> {
    return this.#clusters.status();
  }

  outliers(): ReturnType<AdminSources['outliers']> {
    return this.#clusters.outliers();
  }

  breakers(): ReturnType<AdminSources['breakers']> {
    const nowMs = this.#clock.machineMs();
    const { sharedMemory } = this.#options.inputs;
    const routes = [...sharedMemory.named(ROUTE_BREAKER_MEMORY)].map(
      ([name, memory]): NamedBreaker => {
        const status = readBreaker(breakerSlot(memory), nowMs);
        return { scope: 'route', name, address: '', status };
      },
    );
    return [...this.#clusters.breakers(nowMs), ...routes];
  }

  listeners(): ReturnType<AdminSources['listeners']> {
    return this.#listeners
      .entries()
      .map(({ config, addresses }) => ({ name: config.name, addresses }));
  }

  configDump(includeEds: boolean): ReturnType<AdminSources['configDump']> {
    return configDump(this.#options.bootstrap, this.#ads?.dump() ?? [], includeEds);
  }

  clientStatus(
    request: Parameters<AdminSources['clientStatus']>[0],
  ): ReturnType<AdminSources['clientStatus']> {
    const { bootstrap } = this.#options;
    const entries = this.#ads?.entries() ?? [];
    const { node } = bootstrap;
    return clientStatus({ request, node, nodeProto: nodeOf(bootstrap), entries });
  }

  certificates(): ReturnType<AdminSources['certificates']> {
    return this.#certificates.entries();
  }

  serverInfo(): Readonly<Record<string, unknown>> {
    const { bootstrap, commandLine } = this.#options;
    const uptime = `${this.uptimeSeconds()}s`;
    const { region, zone, subZone } = bootstrap.node.locality;
    return {
      version: `remora/${process.version}`,
      state: this.state(),
      uptime_current_epoch: uptime,
      uptime_all_epochs: uptime,
      hot_restart_version: 'disabled',
      command_line_options: commandLine,
      node: {
        id: bootstrap.node.id,
        cluster: bootstrap.node.cluster,
        metadata: bootstrap.node.metadata,
        locality: { region, zone, sub_zone: subZone },
        user_agent_name: 'remora',
      },
    };
  }

  logLevel(): LogLevel {
    return this.#logLevel;
  }

  setLogLevel(level: LogLevel): void {
    this.#logLevel = level;
    this.#logger.level = pinoLevel(level);
    this.#supervisor.broadcast({ type: 'log-level', level });
  }

  runtime(): ReturnType<AdminSources['runtime']> {
    return this.#options.inputs.runtime.dump();
  }

  modifyRuntime(changes: Parameters<AdminSources['modifyRuntime']>[0]): string | null {
    return this.#options.inputs.runtime.modify(changes);
  }

  reopenLogs(): void {
    this.#logSinks.reopen();
    this.#supervisor.broadcast({ type: 'reopen-logs' });
  }

  drainListeners({ inboundOnly, graceful, skipExit }: DrainRequest): void {
    const stopListening = (): void => {
      this.#listeners.countStopped(inboundOnly);
      this.#supervisor.broadcast({ type: 'stop-listening', inboundOnly });
    };
    if (!graceful) {
      stopListening();
      return;
    }
    // Envoy: a sequence that has begun is not begun again.
    if (this.#isListenerDrainStarted) return;
    this.#isListenerDrainStarted = true;
    const windowMs = this.#options.drainTimeMs;
    void this.#drain({ inboundOnly, closeListeners: false, windowMs });
    if (!skipExit) this.#timers.createTimer(stopListening, null).start(windowMs);
  }

  failHealthchecks(fail: boolean): void {
    this.#healthchecksFail = fail;
    this.#supervisor.broadcast({ type: 'healthchecks-fail', fail });
  }

  quit(): void {
    this.#finish(0);
  }

  async #initialize(bootstrap: BootstrapConfig): Promise<void> {
    this.#options.inputs.runtime.start(this.#logger.child({ component: 'runtime' }), () =>
      this.#clusters.onRuntimeChange(),
    );
    for (const secret of bootstrap.secrets) this.applySecret(secret);
    for (const cluster of bootstrap.clusters) {
      this.#certificates.setCluster(cluster);
      this.#clusters.addOrUpdate(cluster, false);
    }
    // A static EDS cluster gets its hosts from the stream that is opened next.
    if (bootstrap.clusters.every(({ type }) => type !== 'EDS')) await this.#clusters.whenWarm();
    if (isDynamic(bootstrap)) {
      const initialized = new Promise<void>((resolve) => {
        this.#onXdsInitialized = resolve;
      });
      // Loaded when first needed: gRPC takes 10 MiB.
      const { connectAds } = await import('./ads-connection.ts');
      const parts = {
        bootstrap,
        membership: this.#options.membership?.mesh ?? null,
        stats: this.#stats,
        clock: this.#clock,
        timers: this.#timers,
        logger: this.#logger.child({ component: 'xds' }),
      };
      this.#lastGood = await LastGood.open(parts);
      this.#ads = connectAds({
        ...parts,
        inputs: this.#options.inputs,
        lastGood: this.#lastGood,
        sink: this,
        random: systemRandom,
        answerOnDemand: (key, outcome) => this.#answerOnDemand(key, outcome),
        onUnknownFields: (count) => {
          this.#serverStats.dynamicUnknownFields += count;
        },
      });
      // Envoy: static listeners wait for the cluster manager, and so for the first CDS.
      if (this.#state !== 'DRAINING') await Promise.race([initialized, this.#finished]);
      const isServing = bootstrap.listeners.length > 0;
      if (isServing && this.#state !== 'DRAINING') {
        await Promise.race([this.#clusters.whenWarm(), this.#finished]);
      }
    }
    for (const listener of bootstrap.listeners) {
      this.#certificates.setListener(listener);
      await this.#listeners.addOrUpdate(listener, false);
    }
    await this.#openReportStreams(bootstrap);
    if (this.#state === 'INITIALIZING') this.#setState('LIVE');
    this.#logger.info({ concurrency: this.#options.concurrency }, 'all is up: serving');
    trimHeap();
  }

  #onXdsInitialized: () => void = () => {};

  async #openReportStreams(bootstrap: BootstrapConfig): Promise<void> {
    if (bootstrap.loadStats === null && bootstrap.hds === null) return;
    const { openReportStreams } = await import('./report-streams.ts');
    this.#reportStreams = openReportStreams({
      bootstrap,
      membership: this.#options.membership?.mesh ?? null,
      stats: this.#stats,
      clock: this.#clock,
      random: systemRandom,
      timers: this.#timers,
      logger: this.#logger.child({ component: 'reports' }),
      inputs: this.#options.inputs,
      takeSample: (clusters) => this.#clusters.loadSample(clusters),
      checks: this.#clusters.healthCheckParts,
    });
  }

  async #startAdmin(): Promise<void> {
    const { admin } = this.#options.bootstrap;
    if (admin === null) return;
    const pages = adminPages(this, () => this.#clock.wallMs());
    const logger = this.#logger.child({ component: 'admin' });
    this.#admin = new AdminServer(pages, logger, (socket) => void this.#serveGrpc(socket));
    const address = await this.#admin.listen(admin.address);
    this.#logger.info({ address: `${address.ip}:${address.port}` }, 'admin interface listens');
    this.#options.onAdminListening(address);
  }

  /** Of the admin interface: the Client Status Discovery Service. */
  async #serveGrpc(socket: Socket): Promise<void> {
    const { createCsdsService } = await import('./csds/csds-service.ts');
    this.#csds ??= createCsdsService(this);
    this.#csds.take(socket);
  }

  #drain(order: ListenerDrain): Promise<void> {
    const strategy = this.#options.drainStrategy;
    const workers = Array.from(
      { length: this.#supervisor.count },
      (_, worker) =>
        new Promise<void>((resolve) => {
          const request = this.#supervisor.request(() => resolve());
          this.#supervisor.send(worker, { type: 'drain', request, strategy, ...order });
        }),
    );
    return Promise.all(workers).then(() => {});
  }

  #onWorkerMessage(message: FromWorker): void {
    if (message.type === 'outlier') this.#clusters.onOutlierReport(message.report);
    else if (message.type === 'assignment-taken') this.#clusters.onAssignmentTaken(message.id);
    else if (message.type === 'dns-cache') this.#clusters.onDnsCacheRequest(message.request);
    else if (message.type === 'on-demand') this.#onDemand(message.target);
    else if (message.type === 'immediate-health-check-fail') {
      this.#clusters.onImmediateHealthCheckFail(message.cluster, message.address);
    }
  }

  #forgetRoutes(routes: ResourceReference | null): void {
    if (routes !== null) this.#ads?.forgetOnDemand(routes);
  }

  #onDemand(target: ResourceReference): void {
    if (this.#ads !== null) this.#ads.requestOnDemand(target);
    else this.#answerOnDemand(onDemandKey(target), 'missing');
  }

  #answerOnDemand(key: string, outcome: OnDemandOutcome): void {
    this.#supervisor.broadcast({ type: 'on-demand', key, outcome });
  }

  #logOutlierEvent(line: string): void {
    this.#logger.info({ event: line }, 'outlier detection');
    const path = this.#options.bootstrap.outlierEventLogPath;
    if (path === '') return;
    appendFile(path, `${line}\n`, (error) => {
      if (error !== null) this.#logger.warn({ err: error, path }, 'outlier event log');
    });
  }

  #logHealthCheckEvent(paths: readonly string[], line: string): void {
    for (const path of paths) {
      try {
        this.#logSinks.get(path).append(byteString(`${line}\n`));
      } catch (thrown) {
        // The file cannot be opened; checks go on.
        this.#logger.warn({ path, error: errorText(thrown) }, 'health check event log');
      }
    }
  }

  #setState(state: ServerState): void {
    this.#state = state;
  }

  async #end(): Promise<void> {
    this.#ads?.stop();
    this.#reportStreams?.[Symbol.dispose]();
    await this.#lastGood?.close();
    this.#options.inputs.runtime.close();
    this.#clusters.close();
    await this.#options.membership?.client.leave();
    await this.#supervisor.stop();
    this.#logSinks[Symbol.dispose]();
    this.#watchdog?.[Symbol.dispose]();
    this.#csds?.[Symbol.dispose]();
    this.#admin?.close();
  }
}

/** Anything comes by discovery. */
function isDynamic({ dynamicResources, references, mayAskLater }: BootstrapConfig): boolean {
  const { ads, cds, lds } = dynamicResources;
  return ads !== null || cds !== null || lds !== null || references.length > 0 || mayAskLater;
}

/** Null = the node does not say where it runs. */
function saidLocality(locality: Locality): Locality | null {
  const { region, zone, subZone } = locality;
  return region === '' && zone === '' && subZone === '' ? null : locality;
}
