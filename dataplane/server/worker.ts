// A worker thread: takes plain data from main, builds and runs everything that requests go through.
// Entry point of the thread; started by supervisor.ts. Must not import descriptors or gRPC.

import { parentPort, workerData } from 'node:worker_threads';
import { errorText } from '../../common/coded-error.ts';
import { createLogger, pinoLevel } from '../../common/logger.ts';
import { ConnectionLimit } from '../listener/connection-limit.ts';
import { ListenerManager } from '../listener/listener-manager.ts';
import { takeSnapshot } from '../stats/snapshot.ts';
import { SecretStore } from '../tls/secret-store.ts';
import { WorkerClusterManager } from '../upstream/cluster-manager.ts';
import { createClusterTls } from '../upstream/cluster-tls.ts';
import { SharedChunks } from '../upstream/shared-state.ts';
import { containFaults } from './contain-faults.ts';
import { HeartBeat } from './watchdog.ts';
import type { FromWorker, QueryReplies, ToWorker, WorkerData } from './worker-channel.ts';
import { LiveWorkerContext } from './worker-context.ts';
import { buildRouteTable, workerFactories } from './worker-extensions.ts';

class WorkerThread {
  readonly #data: WorkerData;
  readonly #post: (message: FromWorker) => void;
  readonly #secrets: SecretStore;
  readonly #chunks = new SharedChunks();
  readonly #context: LiveWorkerContext;
  readonly #clusters: WorkerClusterManager;
  readonly #listeners: ListenerManager;
  #lastConnection = 0;

  constructor(data: WorkerData, post: (message: FromWorker) => void) {
    this.#data = data;
    this.#secrets = new SecretStore({ ticketSeed: data.ticketSeed });
    this.#post = post;
    const logger = createLogger(data.logLevel, `worker_${data.workerIndex}`);
    let clusters: WorkerClusterManager | null = null;
    this.#context = new LiveWorkerContext(
      data,
      logger,
      workerFactories,
      buildRouteTable,
      (context) => {
        clusters = new WorkerClusterManager(
          {
            clock: context.clock,
            timers: context.timers,
            random: context.random,
            chunks: this.#chunks,
            localLocality: data.locality,
            localClusterName: data.localClusterName,
            nextConnectionId: () => this.#nextConnectionId(),
            reportOutlier: (report) => post({ type: 'outlier', report }),
            reportImmediateHealthCheckFail: (cluster, address) =>
              post({ type: 'immediate-health-check-fail', cluster, address }),
            dnsCacheOf: (data) => this.#context.dnsCaches.get(data),
            createTls: (config) => createClusterTls(config, this.#secrets, context.stats),
          },
          context.stats,
        );
        return clusters;
      },
      {
        dns: (request) => post({ type: 'dns-cache', request }),
        onDemand: (target) => post({ type: 'on-demand', target }),
      },
    );
    new HeartBeat(data.heartBeats, data.workerIndex, this.#context.clock, this.#context.timers);
    // The context's constructor has just called back.
    this.#clusters = clusters as unknown as WorkerClusterManager;
    this.#listeners = new ListenerManager(
      {
        context: this.#context,
        secrets: this.#secrets,
        createNetworkFilters: (chain, listener) =>
          chain.filters.map((filter) => this.#context.createNetworkFilter(filter, listener)),
        createListenerFilters: (listener) =>
          listener.listenerFilters.map((filter) =>
            this.#context.createListenerFilter(filter, listener),
          ),
      },
      {
        drainTimeMs: data.drainTimeMs,
        drainStrategy: data.drainStrategy,
        globalLimit:
          data.globalConnectionLimit === null
            ? null
            : new ConnectionLimit(data.globalConnectionLimit.count, data.globalConnectionLimit.max),
      },
    );
  }

  /** The last net: whatever was going on is given up, everything else goes on. */
  onUncaught(thrown: unknown): void {
    this.#context.reportBug(thrown);
  }

  handle(message: ToWorker): void {
    switch (message.type) {
      case 'shared-chunk':
        this.#chunks.attach(message.index, message.buffer);
        return;
      case 'cluster':
        this.#clusters.addOrUpdate(message.config, message.slot);
        return;
      case 'cluster-remove':
        this.#clusters.remove(message.name);
        return;
      case 'assignment':
        this.#clusters.receive(message.part, () =>
          this.#post({ type: 'assignment-taken', id: message.id }),
        );
        return;
      case 'host-health-failure':
        this.#clusters.onHostHealthFailure(message.cluster, message.host);
        return;
      case 'dns-cache':
        this.#context.dnsCaches.apply(message.update, message.cache);
        return;
      case 'secret':
        this.#secrets.set(message.secret);
        return;
      case 'route':
        this.#context.setRoutes(message.config);
        return;
      case 'scope':
        this.#context.applyScope(message.resource, message.isRemoval);
        return;
      case 'virtual-host':
        this.#context.applyVirtualHost(message.resource, message.isRemoval);
        return;
      case 'on-demand':
        this.#context.onDemand.answer(message.key, message.outcome);
        return;
      case 'extension-config':
        this.#context.setExtensionConfig(message.id, message.config);
        return;
      case 'extension-config-forget':
        this.#context.forgetExtensionConfig(message.id);
        return;
      case 'route-remove':
        this.#context.removeRoutes(message.name);
        return;
      case 'listener':
        void this.#addListener(message);
        return;
      case 'listener-remove':
        this.#listeners.remove(message.name);
        return;
      case 'drain':
        this.#drain(message);
        return;
      case 'stop-listening':
        this.#listeners.stopListening(message.inboundOnly);
        return;
      case 'healthchecks-fail':
        this.#context.setHealthchecksFail(message.fail);
        return;
      case 'query':
        this.#post({ type: 'reply', request: message.request, data: this.#answer(message.what) });
        return;
      case 'log-level':
        this.#context.logger.level = pinoLevel(message.level);
        return;
      case 'reopen-logs':
        this.#context.logSinks.reopen();
        return;
      case 'stop':
        this.#listeners.closeAll();
        this.#clusters.closeAll();
        this.#context.logSinks[Symbol.dispose]();
        process.exit(0);
        return;
      default:
        message satisfies never;
    }
  }

  async #addListener(message: Extract<ToWorker, { readonly type: 'listener' }>): Promise<void> {
    const { config, request, connectionCount } = message;
    try {
      const addresses = await this.#listeners.addOrUpdate(config, connectionCount);
      this.#post({ type: 'listening', request, addresses, error: '' });
    } catch (thrown) {
      this.#post({ type: 'listening', request, addresses: [], error: errorText(thrown) });
    }
  }

  #drain(message: Extract<ToWorker, { readonly type: 'drain' }>): void {
    const { inboundOnly, closeListeners, strategy, windowMs, request } = message;
    const drain = { strategy, windowMs, startMs: this.#context.clock.nowMs() };
    this.#listeners.startDrain({ inboundOnly, closeListeners, drain }, () =>
      this.#post({ type: 'drained', request }),
    );
  }

  #answer(what: keyof QueryReplies): QueryReplies[keyof QueryReplies] {
    switch (what) {
      case 'stats':
        return takeSnapshot(this.#context.stats);
      case 'hosts':
        return this.#clusters.hostReports();
      case 'load':
        return this.#clusters.loadReports();
      case 'connections':
        return this.#listeners.connectionCount();
      default:
        return what satisfies never;
    }
  }

  #nextConnectionId(): number {
    return this.#lastConnection++ * this.#data.concurrency + this.#data.workerIndex + 1;
  }
}

if (parentPort === null) throw new Error('worker.ts runs as a worker thread only');
const port = parentPort;
// Main makes workerData of this type (supervisor.ts).
const thread = new WorkerThread(workerData as WorkerData, (message) => port.postMessage(message));
containFaults((thrown) => thread.onUncaught(thrown));
port.on('message', (message: ToWorker) => thread.handle(message));
port.postMessage({ type: 'ready' } satisfies FromWorker);
