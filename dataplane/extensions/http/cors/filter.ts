// envoy.filters.http.cors, worker half: answers preflight requests of browsers and marks responses that pages of
// other origins may read. Decides by the request's origin and the policies of its route, most specific first; only
// routes that forward have any.

import type { Random } from '../../../../common/clock.ts';
import type { HttpFilterContext, HttpFilterFactory } from '../../../api/factory.ts';
import {
  getField,
  getJoinedField,
  type HeaderFields,
  type RequestHeaders,
  ResponseHeaders,
  setField,
} from '../../../api/headers.ts';
import {
  FilterHeadersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import type { StatField, StatsStore } from '../../../api/stats.ts';
import { httpStatScope } from '../../../hcm/stats.ts';
import { RuntimeFraction } from '../../../matcher/runtime-value.ts';
import { compileStringMatcher, type StringMatcher } from '../../../matcher/string-matcher.ts';
import { PassThroughFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import type { CorsPolicyData } from './data.ts';

/** `http.<stat_prefix>.cors.*`. */
class CorsStats {
  static readonly stats: readonly StatField[] = [
    { field: 'originValid', name: 'cors.origin_valid', kind: 'counter' },
    { field: 'originInvalid', name: 'cors.origin_invalid', kind: 'counter' },
  ];
  originValid = 0;
  originInvalid = 0;
}

/** One level's policy. */
class CorsPolicy {
  readonly data: CorsPolicyData;
  /** Null = always. */
  readonly filterEnabled: RuntimeFraction | null;
  /** Null = never. */
  readonly shadowEnabled: RuntimeFraction | null;
  readonly #origins: readonly StringMatcher[];

  constructor(data: CorsPolicyData) {
    const { filterEnabled, shadowEnabled } = data;
    this.data = data;
    this.filterEnabled = filterEnabled === null ? null : new RuntimeFraction(filterEnabled);
    this.shadowEnabled = shadowEnabled === null ? null : new RuntimeFraction(shadowEnabled);
    this.#origins = data.allowOrigins.map(compileStringMatcher);
  }

  get namesOrigins(): boolean {
    return this.#origins.length > 0;
  }

  /** A matcher that takes `*` takes every origin. */
  allows(origin: string): boolean {
    for (let i = 0; i < this.#origins.length; i++) {
      const matcher = this.#origins[i]!;
      if (matcher.match('*') || matcher.match(origin)) return true;
    }
    return false;
  }
}

class CorsConfig implements HttpFilterConfig {
  readonly stats: CorsStats;
  readonly random: Random;
  readonly #store: StatsStore;

  constructor({ statPrefix, worker }: HttpFilterContext) {
    this.stats = new CorsStats();
    this.random = worker.random;
    this.#store = worker.stats;
    this.#store.add(httpStatScope(statPrefix), this.stats);
  }

  createFilter(): StreamFilter {
    return new CorsFilter(this);
  }

  dispose(): void {
    this.#store.remove(this.stats);
  }
}

class CorsFilter extends PassThroughFilter {
  readonly #config: CorsConfig;
  /** CorsPolicy objects, most specific first. */
  #policies: readonly CorsPolicy[];
  /** Of a request whose response may be read there; '' = none. */
  #origin: string;

  constructor(config: CorsConfig) {
    super();
    this.#config = config;
    this.#policies = [];
    this.#origin = '';
  }

  override decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const origin = getJoinedField(headers.fields, 'origin') ?? '';
    if (origin === '') return FilterHeadersStatus.Continue;
    const callbacks = this.decoderCallbacks!;
    if (callbacks.route()?.kind !== 'route') return FilterHeadersStatus.Continue;
    // What createRouteConfig made.
    this.#policies = callbacks.allRouteSpecificConfigs() as readonly CorsPolicy[];
    const first = this.#policies[0];
    if (first === undefined) return FilterHeadersStatus.Continue;
    const { filterEnabled, shadowEnabled } = first;
    const { random } = this.#config;
    const isEnabled = filterEnabled === null || filterEnabled.draw(random());
    if (!isEnabled && (shadowEnabled === null || !shadowEnabled.draw(random()))) {
      return FilterHeadersStatus.Continue;
    }
    const isAllowed = this.#policies.find(namesOrigins)?.allows(origin) === true;
    if (isAllowed) this.#config.stats.originValid++;
    else this.#config.stats.originInvalid++;
    if (!isEnabled) return FilterHeadersStatus.Continue;
    if (isAllowed) this.#origin = origin;
    if (!isPreflight(headers)) return FilterHeadersStatus.Continue;
    if (!isAllowed && (this.#first('forwardNotMatchingPreflights') ?? true)) {
      return FilterHeadersStatus.Continue;
    }
    this.#answerPreflight(headers);
    return FilterHeadersStatus.StopIteration;
  }

  override encodeHeaders({ fields }: ResponseHeaders): FilterHeadersStatus {
    if (this.#origin === '') return FilterHeadersStatus.Continue;
    setField(fields, 'access-control-allow-origin', this.#origin);
    this.#allowCredentials(fields);
    this.#setUnlessEmpty(fields, 'access-control-expose-headers', 'exposeHeaders');
    return FilterHeadersStatus.Continue;
  }

  override onDestroy(): void {
    this.#policies = [];
  }

  #answerPreflight(request: RequestHeaders): void {
    const fields: HeaderFields = [];
    this.#allowCredentials(fields);
    this.#setUnlessEmpty(fields, 'access-control-allow-methods', 'allowMethods');
    this.#setUnlessEmpty(fields, 'access-control-allow-headers', 'allowHeaders');
    this.#setUnlessEmpty(fields, 'access-control-max-age', 'maxAge');
    const asksForPrivate =
      getField(request.fields, 'access-control-request-private-network') === 'true';
    if (asksForPrivate && this.#first('allowPrivateNetworkAccess') === true) {
      fields.push('access-control-allow-private-network', 'true');
    }
    // encodeHeaders adds what every response to an allowed origin has.
    this.decoderCallbacks!.encodeHeaders(new ResponseHeaders(200, fields), true, 'cors_response');
  }

  #allowCredentials(fields: HeaderFields): void {
    if (this.#first('allowCredentials') === true) {
      setField(fields, 'access-control-allow-credentials', 'true');
    }
  }

  #setUnlessEmpty(
    fields: HeaderFields,
    header: string,
    of: 'allowMethods' | 'allowHeaders' | 'exposeHeaders' | 'maxAge',
  ): void {
    for (let i = 0; i < this.#policies.length; i++) {
      const value = this.#policies[i]!.data[of];
      if (value === '') continue;
      setField(fields, header, value);
      return;
    }
  }

  /** The word of the most specific policy that has one; null = none has. */
  #first(
    of: 'allowCredentials' | 'allowPrivateNetworkAccess' | 'forwardNotMatchingPreflights',
  ): boolean | null {
    for (let i = 0; i < this.#policies.length; i++) {
      const value = this.#policies[i]!.data[of];
      if (value !== null) return value;
    }
    return null;
  }
}

function namesOrigins(policy: CorsPolicy): boolean {
  return policy.namesOrigins;
}

function isPreflight({ method, fields }: RequestHeaders): boolean {
  if (method !== 'OPTIONS') return false;
  return (getField(fields, 'access-control-request-method') ?? '') !== '';
}

/** The worker half; data per route is CorsPolicyData, the filter has none. */
export const cors: HttpFilterFactory = {
  name: 'envoy.filters.http.cors',
  create(_data: unknown, context: HttpFilterContext): HttpFilterConfig {
    return new CorsConfig(context);
  },
  createRouteConfig(data: unknown): unknown {
    // The contract between the halves: config.ts made it.
    return new CorsPolicy(data as CorsPolicyData);
  },
};
