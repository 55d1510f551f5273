// envoy.filters.network.rbac, worker half: judges a connection when its first bytes come (CONTINUOUS: whenever
// bytes come) and closes it when the policies do not allow it.

import type { Timer } from '../../../../common/timer.ts';
import {
  type ConnectionCallbacks,
  ConnectionCloseType,
  ConnectionEvent,
} from '../../../api/connection.ts';
import type { NetworkFilterFactory, WorkerContext } from '../../../api/factory.ts';
import { RequestHeaders } from '../../../api/headers.ts';
import {
  type NetworkFilterConfig,
  NetworkFilterStatus,
  type ReadFilter,
  type ReadFilterCallbacks,
} from '../../../api/network-filter.ts';
import type { CollectsMore, StatField, StatScope, StatSink } from '../../../api/stats.ts';
import type { RbacRulesData } from '../../_shared/rbac/data.ts';
import { NO_POLICY, RbacEngine } from '../../_shared/rbac/engine.ts';
import { deniedDetails, noteLogHint } from '../../_shared/rbac/verdict.ts';
import type { NetworkRbacData } from './data.ts';

const METADATA_NAMESPACE = 'envoy.filters.network.rbac';
/** A connection has none; what asks for them never matches. */
const noHeaders = new RequestHeaders('', '', '', '', []);

class NetworkRbacStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [
    { field: 'allowed', name: 'rbac.allowed', kind: 'counter' },
    { field: 'denied', name: 'rbac.denied', kind: 'counter' },
  ];

  allowed = 0;
  denied = 0;
  shadowAllowed = 0;
  shadowDenied = 0;
  /** '' or with its dot. */
  readonly #shadowPrefix: string;

  constructor(shadowPrefix: string) {
    this.#shadowPrefix =
      shadowPrefix === '' || shadowPrefix.endsWith('.') ? shadowPrefix : `${shadowPrefix}.`;
  }

  collectMore(scope: StatScope, sink: StatSink): void {
    sink.value(scope, `rbac.${this.#shadowPrefix}shadow_allowed`, 'counter', this.shadowAllowed);
    sink.value(scope, `rbac.${this.#shadowPrefix}shadow_denied`, 'counter', this.shadowDenied);
  }
}

/** Shared by the connections of one filter chain in one worker. */
class NetworkRbacConfig implements NetworkFilterConfig {
  readonly data: NetworkRbacData;
  readonly context: WorkerContext;
  readonly enforced: RbacEngine | null;
  readonly shadow: RbacEngine | null;
  readonly stats: NetworkRbacStats;

  constructor(data: NetworkRbacData, context: WorkerContext) {
    const engineOf = (rules: RbacRulesData | null) =>
      rules === null ? null : new RbacEngine(rules);
    this.data = data;
    this.context = context;
    this.enforced = engineOf(data.rules);
    this.shadow = engineOf(data.shadowRules);
    this.stats = new NetworkRbacStats(data.shadowRulesStatPrefix);
    context.stats.add(
      {
        prefix: data.statPrefix,
        promPrefix: 'envoy',
        labels: { envoy_rbac_prefix: data.statPrefix },
      },
      this.stats,
    );
  }

  createFilter(): ReadFilter {
    return new NetworkRbacFilter(this);
  }

  startDrain(): void {}

  dispose(): void {
    this.context.stats.remove(this.stats);
  }
}

class NetworkRbacFilter implements ReadFilter, ConnectionCallbacks {
  readonly #config: NetworkRbacConfig;
  /** Set before anything else is called. */
  #callbacks!: ReadFilterCallbacks;
  #isJudged = false;
  #isDenied = false;
  #delay: Timer | null = null;

  constructor(config: NetworkRbacConfig) {
    this.#config = config;
  }

  initializeReadFilterCallbacks(callbacks: ReadFilterCallbacks): void {
    this.#callbacks = callbacks;
    callbacks.connection.addConnectionCallbacks(this);
  }

  onNewConnection(): NetworkFilterStatus {
    return NetworkFilterStatus.Continue;
  }

  onData(): NetworkFilterStatus {
    if (this.#isDenied) return NetworkFilterStatus.StopIteration;
    const { shadow, enforced, data } = this.#config;
    const isFirst = !this.#isJudged;
    this.#isJudged = true;
    if (isFirst && shadow !== null) this.#judgeShadow(shadow);
    if (enforced === null || !(isFirst || data.isContinuous)) return NetworkFilterStatus.Continue;
    return this.#judge(enforced);
  }

  #judge(engine: RbacEngine): NetworkFilterStatus {
    const { stats, data, context } = this.#config;
    const policy = this.#match(engine);
    if (engine.action === 'LOG') noteLogHint(this.#callbacks.streamInfo, policy !== NO_POLICY);
    if (engine.isAllowed(policy)) {
      stats.allowed++;
      return NetworkFilterStatus.Continue;
    }
    stats.denied++;
    this.#isDenied = true;
    this.#callbacks.streamInfo.connectionTerminationDetails = deniedDetails(
      policy === NO_POLICY ? null : engine.policyNames()[policy]!,
    );
    if (data.delayDenyMs > 0) {
      this.#delay = context.timers.createTimer(deny, this);
      this.#delay.start(data.delayDenyMs);
    } else this.deny();
    return NetworkFilterStatus.StopIteration;
  }

  #judgeShadow(engine: RbacEngine): void {
    const { stats, data } = this.#config;
    const { streamInfo } = this.#callbacks;
    const policy = this.#match(engine);
    const isAllowed = engine.isAllowed(policy);
    if (isAllowed) stats.shadowAllowed++;
    else stats.shadowDenied++;
    const prefix = data.shadowRulesStatPrefix;
    streamInfo.dynamicMetadata ??= {};
    streamInfo.dynamicMetadata[METADATA_NAMESPACE] = {
      ...(policy === NO_POLICY
        ? {}
        : { [`${prefix}shadow_effective_policy_id`]: engine.policyNames()[policy] }),
      [`${prefix}shadow_engine_result`]: isAllowed ? 'allowed' : 'denied',
    };
  }

  #match(engine: RbacEngine): number {
    const { connection, streamInfo } = this.#callbacks;
    return engine.match({ headers: noHeaders, connection, streamInfo });
  }

  deny(): void {
    const { connection, streamInfo } = this.#callbacks;
    streamInfo.downstreamLocalCloseReason = 'rbac_deny_close';
    connection.close(ConnectionCloseType.NoFlush);
  }

  onEvent(event: ConnectionEvent): void {
    if (event !== ConnectionEvent.Connected) this.#delay?.stop();
  }

  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
}

function deny(filter: NetworkRbacFilter): void {
  filter.deny();
}

export const networkRbacFilterFactory: NetworkFilterFactory = {
  name: 'envoy.filters.network.rbac',
  // config.ts made it
  create: (data, context) => new NetworkRbacConfig(data as NetworkRbacData, context),
};
