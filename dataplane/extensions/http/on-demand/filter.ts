// envoy.filters.http.on_demand, worker half: a request without a route, or to a cluster that is not there, waits while
// main asks the control plane. Nothing else waits with it.
//
//   decodeHeaders: route? --no--> may it be asked for? --> wait --> answer: look again, ask for more
//                    '--yes--> cluster there? --no, odcds--> wait --> answer, or timeout
//   whatever comes out of it, the request goes on: without route 404, without cluster 503, by the router.

import type { Timer } from '../../../../common/timer.ts';
import type { HttpFilterContext, HttpFilterFactory, WorkerContext } from '../../../api/factory.ts';
import type { RequestHeaders } from '../../../api/headers.ts';
import {
  FilterHeadersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import type { OnDemandWaiter } from '../../../api/on-demand.ts';
import type { ResourceKind, ResourceReference } from '../../../api/resource-compiler.ts';
import type { Route } from '../../../api/route.ts';
import { clusterNameOf } from '../../../router/prepare-request.ts';
import { RouteEntry } from '../../../router/route-entry.ts';
import { PassThroughDecoderFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import type { OnDemandCdsData, OnDemandData } from './data.ts';

class OnDemandConfig implements HttpFilterConfig {
  readonly odcds: OnDemandCdsData | null;
  readonly worker: WorkerContext;

  constructor({ odcds }: OnDemandData, { worker }: HttpFilterContext) {
    this.odcds = odcds;
    this.worker = worker;
  }

  createFilter(): StreamFilter {
    return new OnDemandFilter(this);
  }
}

class OnDemandFilter extends PassThroughDecoderFilter implements OnDemandWaiter {
  readonly #config: OnDemandConfig;
  #headers: RequestHeaders | null = null;
  /** The kind of what is waited for; null = nothing is. */
  #waiting: ResourceKind | null = null;
  /** Of the wait for a cluster; null = there was none. */
  #timer: Timer | null = null;

  constructor(config: OnDemandConfig) {
    super();
    this.#config = config;
  }

  override decodeHeaders(headers: RequestHeaders, _endStream: boolean): FilterHeadersStatus {
    const callbacks = this.decoderCallbacks!;
    const route = callbacks.route();
    this.#headers = headers;
    if (route !== null) this.#askForCluster(route);
    else this.#askForRoute(null);
    return this.#waiting === null
      ? FilterHeadersStatus.Continue
      : FilterHeadersStatus.StopAllIterationAndWatermark;
  }

  override onDestroy(): void {
    if (this.#waiting !== null) this.#config.worker.onDemand.cancel(this);
    this.#timer?.stop();
  }

  onDemandAnswer(): void {
    const answered = this.#waiting;
    this.#waiting = null;
    this.#timer?.stop();
    if (answered !== 'cluster' && this.#asksForMore(answered)) return;
    this.decoderCallbacks!.continueDecoding();
  }

  /** Routes of a scope may need a virtual host, and that a cluster. */
  #asksForMore(answered: ResourceKind | null): boolean {
    const route = this.decoderCallbacks!.refreshRoute();
    if (route !== null) this.#askForCluster(route);
    else this.#askForRoute(answered);
    return this.#waiting !== null;
  }

  /** What is of that kind was asked for, in vain. */
  #askForRoute(answered: ResourceKind | null): void {
    const missing = this.decoderCallbacks!.missingRoute();
    // Virtual hosts are what comes last.
    if (missing === null || missing.kind === answered || answered === 'virtual-host') return;
    this.#ask(missing);
  }

  #ask(target: ResourceReference): void {
    this.#waiting = target.kind;
    this.#config.worker.onDemand.ask(target, this);
  }

  #askForCluster(route: Route): void {
    const odcds = this.#odcds();
    if (odcds === null || !(route instanceof RouteEntry) || route.forward === null) return;
    const name = clusterNameOf(route, this.#headers!);
    const { clusterManager, timers } = this.#config.worker;
    if (name === '' || clusterManager.getCluster(name) !== null) return;
    const { source, timeoutMs } = odcds;
    if (timeoutMs === 0) return;
    this.#ask({ kind: 'cluster', name, source });
    this.#timer = timers.createTimer(() => {
      this.#config.worker.onDemand.cancel(this);
      this.onDemandAnswer();
    }, null);
    this.#timer.start(timeoutMs);
  }

  #odcds(): OnDemandCdsData | null {
    // createRouteConfig is not needed: the data is what config.ts made.
    const ofRoute = this.decoderCallbacks!.routeSpecificConfig() as OnDemandData | null;
    return ofRoute === null ? this.#config.odcds : ofRoute.odcds;
  }
}

export const onDemand: HttpFilterFactory = {
  name: 'envoy.filters.http.on_demand',
  create: (data, context) =>
    // config.ts makes it.
    new OnDemandConfig(data as OnDemandData, context),
};
