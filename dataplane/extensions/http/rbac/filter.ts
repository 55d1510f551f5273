// envoy.filters.http.rbac, worker half: refuses requests (403 `RBAC: access denied`) that the policies do
// not allow. Acts on the request's head only; never stops and resumes.

import type { HttpFilterContext, HttpFilterFactory } from '../../../api/factory.ts';
import type { RequestHeaders } from '../../../api/headers.ts';
import {
  FilterHeadersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import type {
  CollectsMore,
  StatField,
  StatScope,
  StatSink,
  StatsStore,
} from '../../../api/stats.ts';
import { httpStatScope } from '../../../hcm/stats.ts';
import { PassThroughDecoderFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import type { RbacRulesData } from '../../_shared/rbac/data.ts';
import { NO_POLICY, RbacEngine, type RbacSubject } from '../../_shared/rbac/engine.ts';
import { deniedDetails, noteLogHint } from '../../_shared/rbac/verdict.ts';
import type { RbacData, RbacRouteData } from './data.ts';

const METADATA_NAMESPACE = 'envoy.filters.http.rbac';

/** One set of rules with all that its verdicts say, made at config time so that a verdict allocates nothing. */
class Rules {
  readonly engine: RbacEngine;
  readonly #details: readonly string[];
  readonly #metadata: readonly Readonly<Record<string, unknown>>[];
  /** Verdicts per policy, [allowed, denied] pairs; empty when track_per_rule_stats is off. */
  readonly #perPolicy: number[];
  readonly #names: readonly string[];

  constructor(data: RbacRulesData, metadataPrefix: string, isTracked: boolean) {
    this.engine = new RbacEngine(data);
    this.#names = this.engine.policyNames();
    this.#details = [...this.#names, null].map(deniedDetails);
    this.#metadata = [...this.#names, null].map((name, i) => {
      const policy = i === this.#names.length ? NO_POLICY : i;
      const result = this.engine.isAllowed(policy) ? 'allowed' : 'denied';
      return Object.freeze({
        ...(name === null ? {} : { [`${metadataPrefix}effective_policy_id`]: name }),
        [`${metadataPrefix}engine_result`]: result,
      });
    });
    this.#perPolicy = isTracked ? new Array<number>(this.#names.length * 2).fill(0) : [];
  }

  /** RESPONSE_CODE_DETAILS of a denial. */
  details(policy: number): string {
    return this.#details[policy === NO_POLICY ? this.#names.length : policy]!;
  }

  /** Dynamic metadata of a verdict; shared, frozen. */
  metadata(policy: number): Readonly<Record<string, unknown>> {
    return this.#metadata[policy === NO_POLICY ? this.#names.length : policy]!;
  }

  count(policy: number, isAllowed: boolean): void {
    if (policy === NO_POLICY || this.#perPolicy.length === 0) return;
    this.#perPolicy[policy * 2 + (isAllowed ? 0 : 1)]!++;
  }

  collectPerPolicy(scope: StatScope, sink: StatSink, prefix: string, shadow: string): void {
    for (let i = 0; i < this.#perPolicy.length; i++) {
      const name = this.#names[i >> 1]!;
      const verdict = `${shadow}${(i & 1) === 0 ? 'allowed' : 'denied'}`;
      const labels = { ...prefixLabel(prefix), envoy_rbac_policy_name: name };
      sink.tagged(
        scope,
        `rbac.${withDot(prefix)}policy.${name}.${verdict}`,
        `rbac_policy_${verdict}`,
        labels,
        'counter',
        this.#perPolicy[i]!,
      );
    }
  }
}

/** RBAC as configured on the filter or on a route. */
class RbacPolicySet {
  readonly data: RbacData;
  readonly enforced: Rules | null;
  readonly shadow: Rules | null;

  constructor(data: RbacData) {
    this.data = data;
    const { rules, shadowRules, trackPerRuleStats } = data;
    this.enforced =
      rules === null
        ? null
        : new Rules(rules, `${data.rulesStatPrefix}enforced_`, trackPerRuleStats);
    this.shadow =
      shadowRules === null
        ? null
        : new Rules(shadowRules, `${data.shadowRulesStatPrefix}shadow_`, trackPerRuleStats);
  }
}

/** createRouteConfig's product: null inside = switched off for the route. */
class RbacRoutePolicy {
  readonly policies: RbacPolicySet | null;

  constructor(data: RbacRouteData) {
    this.policies = data === null ? null : new RbacPolicySet(data);
  }
}

/** `http.<stat_prefix>.rbac.[<prefix>.]allowed` and so on. */
class RbacStats implements CollectsMore {
  static readonly stats: readonly StatField[] = [];
  allowed = 0;
  denied = 0;
  shadowAllowed = 0;
  shadowDenied = 0;
  readonly #policies: RbacPolicySet;

  constructor(policies: RbacPolicySet) {
    this.#policies = policies;
  }

  collectMore(scope: StatScope, sink: StatSink): void {
    const { data, enforced, shadow } = this.#policies;
    const prefix = data.rulesStatPrefix;
    const shadowPrefix = data.shadowRulesStatPrefix;
    collect(scope, sink, prefix, 'allowed', this.allowed);
    collect(scope, sink, prefix, 'denied', this.denied);
    collect(scope, sink, shadowPrefix, 'shadow_allowed', this.shadowAllowed);
    collect(scope, sink, shadowPrefix, 'shadow_denied', this.shadowDenied);
    enforced?.collectPerPolicy(scope, sink, prefix, '');
    shadow?.collectPerPolicy(scope, sink, shadowPrefix, 'shadow_');
  }
}

function collect(
  scope: StatScope,
  sink: StatSink,
  prefix: string,
  name: string,
  value: number,
): void {
  const full = `rbac.${withDot(prefix)}${name}`;
  sink.tagged(scope, full, `rbac_${name}`, prefixLabel(prefix), 'counter', value);
}

function withDot(prefix: string): string {
  return prefix === '' || prefix.endsWith('.') ? prefix : `${prefix}.`;
}

function prefixLabel(prefix: string): Readonly<Record<string, string>> {
  return prefix === '' ? {} : { envoy_rbac_http_prefix: prefix.replace(/\.$/, '') };
}

class RbacFilterConfig implements HttpFilterConfig {
  readonly policies: RbacPolicySet;
  readonly stats: RbacStats;
  readonly #store: StatsStore;

  constructor(data: RbacData, context: HttpFilterContext) {
    this.policies = new RbacPolicySet(data);
    this.stats = new RbacStats(this.policies);
    this.#store = context.worker.stats;
    this.#store.add(httpStatScope(context.statPrefix), this.stats);
  }

  createFilter(): StreamFilter {
    return new RbacFilter(this);
  }

  dispose(): void {
    this.#store.remove(this.stats);
  }
}

class RbacFilter extends PassThroughDecoderFilter {
  readonly #config: RbacFilterConfig;

  constructor(config: RbacFilterConfig) {
    super();
    this.#config = config;
  }

  override decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const callbacks = this.decoderCallbacks!;
    const route = callbacks.routeSpecificConfig();
    const policies = route instanceof RbacRoutePolicy ? route.policies : this.#config.policies;
    if (policies === null) return FilterHeadersStatus.Continue;
    const { connection, streamInfo } = callbacks;
    const subject: RbacSubject = { headers, connection, streamInfo };
    if (policies.shadow !== null) this.#judgeShadow(policies.shadow, subject);
    const { enforced } = policies;
    if (enforced === null) return FilterHeadersStatus.Continue;

    const { stats } = this.#config;
    const policy = enforced.engine.match(subject);
    const isAllowed = enforced.engine.isAllowed(policy);
    note(subject, enforced.metadata(policy));
    enforced.count(policy, isAllowed);
    if (enforced.engine.action === 'LOG') noteLogHint(streamInfo, policy !== NO_POLICY);
    if (isAllowed) {
      stats.allowed++;
      return FilterHeadersStatus.Continue;
    }
    stats.denied++;
    callbacks.sendLocalReply(403, 'RBAC: access denied', null, enforced.details(policy));
    return FilterHeadersStatus.StopIteration;
  }

  #judgeShadow(shadow: Rules, subject: RbacSubject): void {
    const policy = shadow.engine.match(subject);
    const isAllowed = shadow.engine.isAllowed(policy);
    if (isAllowed) this.#config.stats.shadowAllowed++;
    else this.#config.stats.shadowDenied++;
    shadow.count(policy, isAllowed);
    note(subject, shadow.metadata(policy));
  }
}

/** Adds a verdict to the filter's dynamic metadata; the first one is shared, not copied. */
function note(subject: RbacSubject, verdict: Readonly<Record<string, unknown>>): void {
  const { streamInfo } = subject;
  const former = streamInfo.dynamicMetadata?.[METADATA_NAMESPACE];
  const namespace = former === undefined ? verdict : { ...former, ...verdict };
  if (streamInfo.dynamicMetadata === null) {
    streamInfo.dynamicMetadata = { [METADATA_NAMESPACE]: namespace };
  } else streamInfo.dynamicMetadata[METADATA_NAMESPACE] = namespace;
}

/** The worker half; data is RbacData, per route RbacRouteData. */
export const rbac: HttpFilterFactory = {
  name: 'envoy.filters.http.rbac',
  create(data: unknown, context: HttpFilterContext): HttpFilterConfig {
    // The contract between the halves: config.ts made it.
    return new RbacFilterConfig(data as RbacData, context);
  },
  createRouteConfig(data: unknown): unknown {
    return new RbacRoutePolicy(data as RbacRouteData);
  },
};
