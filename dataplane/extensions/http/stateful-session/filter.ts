// envoy.filters.http.stateful_session, worker half: a client that says which host it was at last goes there again,
// before any load balancing, and is told when it ends up elsewhere. Which hosts are still good for that is the
// cluster's to say (common_lb_config.override_host_status).

import type { Clock } from '../../../../common/clock.ts';
import { formatAddress } from '../../../api/connection.ts';
import type { HttpFilterContext, HttpFilterFactory } from '../../../api/factory.ts';
import type { RequestHeaders, ResponseHeaders } from '../../../api/headers.ts';
import {
  FilterHeadersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import type { StatField, StatScope, StatsStore } from '../../../api/stats.ts';
import { ResponseFlag } from '../../../api/stream-info.ts';
import { httpStatScope } from '../../../hcm/stats.ts';
import { PassThroughFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import type { StatefulSessionData, StatefulSessionRouteData } from './data.ts';
import { createSessionState, type SessionState } from './session-state.ts';

const MS_PER_S = 1000;

/** `[http.<stat_prefix>.]stateful_session.<stat_prefix>.*`. */
class SessionStats {
  static readonly stats: readonly StatField[] = [
    { field: 'routed', name: 'routed', kind: 'counter' },
    { field: 'failedOpen', name: 'failed_open', kind: 'counter' },
    { field: 'failedClosed', name: 'failed_closed', kind: 'counter' },
    { field: 'noSession', name: 'no_session', kind: 'counter' },
  ];
  /** To the session's host. */
  routed = 0;
  /** To another one, or the client had no session. */
  failedOpen = 0;
  failedClosed = 0;
  /** Sessions are not for such requests. */
  noSession = 0;
}

/** What the filter does for some requests: its own, or a route's. */
class Session {
  readonly data: StatefulSessionData;
  readonly state: SessionState | null;

  constructor(data: StatefulSessionData) {
    this.data = data;
    this.state = data.state === null ? null : createSessionState(data.state);
  }
}

/** A route's word that there are no sessions. */
const DISABLED = Symbol('disabled');

class StatefulSessionConfig implements HttpFilterConfig {
  readonly session: Session;
  readonly clock: Clock;
  readonly #store: StatsStore;
  readonly #own: SessionStats | null;
  /** Of routes, by stat_prefix; made when first counted. */
  readonly #ofRoutes = new Map<string, SessionStats>();

  constructor(data: StatefulSessionData, { statPrefix, worker }: HttpFilterContext) {
    this.session = new Session(data);
    this.clock = worker.clock;
    this.#store = worker.stats;
    this.#own = data.statPrefix === '' ? null : new SessionStats();
    if (this.#own !== null) {
      const { prefix, promPrefix, labels } = httpStatScope(statPrefix);
      this.#store.add(
        below({ prefix: `${prefix}.`, promPrefix, labels }, data.statPrefix),
        this.#own,
      );
    }
  }

  createFilter(): StreamFilter {
    return new StatefulSessionFilter(this);
  }

  /** Null = its data has no stat_prefix. */
  statsOf(session: Session): SessionStats | null {
    if (session === this.session) return this.#own;
    const { statPrefix } = session.data;
    if (statPrefix === '') return null;
    let stats = this.#ofRoutes.get(statPrefix);
    if (stats === undefined) {
      stats = new SessionStats();
      this.#ofRoutes.set(statPrefix, stats);
      this.#store.add(below({ prefix: '', promPrefix: 'envoy', labels: {} }, statPrefix), stats);
    }
    return stats;
  }

  dispose(): void {
    if (this.#own !== null) this.#store.remove(this.#own);
    for (const stats of this.#ofRoutes.values()) this.#store.remove(stats);
  }
}

/** `scope.prefix` ends in '.' or is ''. */
function below({ prefix, promPrefix, labels }: StatScope, statPrefix: string): StatScope {
  return {
    prefix: `${prefix}stateful_session.${statPrefix}`,
    promPrefix: `${promPrefix}_stateful_session_${statPrefix.replaceAll(/\W/g, '_')}`,
    labels,
  };
}

class StatefulSessionFilter extends PassThroughFilter {
  readonly #config: StatefulSessionConfig;
  /** Null = none for this request. */
  #session: Session | null;
  /** The request is one that sessions are for. */
  #applies: boolean;
  /** What the client said; null = nothing. */
  #address: string | null;

  constructor(config: StatefulSessionConfig) {
    super();
    this.#config = config;
    this.#session = null;
    this.#applies = false;
    this.#address = null;
  }

  override decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const callbacks = this.decoderCallbacks!;
    // What createRouteConfig made, or null.
    const ofRoute = callbacks.routeSpecificConfig() as Session | typeof DISABLED | null;
    if (ofRoute === DISABLED) return FilterHeadersStatus.Continue;
    const session = ofRoute ?? this.#config.session;
    this.#session = session;
    const { state } = session;
    if (state === null || !state.appliesTo(headers)) return FilterHeadersStatus.Continue;
    this.#applies = true;
    const address = state.addressOf(headers, this.#nowS());
    this.#address = address;
    if (address === null) return FilterHeadersStatus.Continue;
    const { strict, statusIfMissing } = session.data;
    callbacks.setUpstreamOverrideHost({ address, strict, statusIfMissing });
    return FilterHeadersStatus.Continue;
  }

  override encodeHeaders({ fields }: ResponseHeaders): FilterHeadersStatus {
    const session = this.#session;
    if (session === null) return FilterHeadersStatus.Continue;
    const stats = this.#config.statsOf(session);
    const { upstreamHost, responseFlags } = this.decoderCallbacks!.streamInfo;
    if (!this.#applies || session.state === null) {
      if (stats !== null && upstreamHost !== null) stats.noSession++;
    } else if (upstreamHost === null) {
      const isRefused = (responseFlags & ResponseFlag.NoHealthyUpstream) !== 0;
      if (stats !== null && isRefused && session.data.strict) stats.failedClosed++;
    } else {
      const address = formatAddress(upstreamHost);
      if (address === this.#address) {
        if (stats !== null) stats.routed++;
      } else {
        session.state.tell(fields, address, this.#nowS());
        if (stats !== null && !session.data.strict) stats.failedOpen++;
      }
    }
    return FilterHeadersStatus.Continue;
  }

  /** Seconds since 1970, which cookies are good until. */
  #nowS(): number {
    return Math.floor(this.#config.clock.wallMs() / MS_PER_S);
  }
}

/** The worker half; data is StatefulSessionData, per route StatefulSessionRouteData. */
export const statefulSession: HttpFilterFactory = {
  name: 'envoy.filters.http.stateful_session',
  create(data: unknown, context: HttpFilterContext): HttpFilterConfig {
    // The contract between the halves: config.ts made it.
    return new StatefulSessionConfig(data as StatefulSessionData, context);
  },
  createRouteConfig(data: unknown): unknown {
    const ofRoute = data as StatefulSessionRouteData; // as above
    return ofRoute === null ? DISABLED : new Session(ofRoute);
  },
};
