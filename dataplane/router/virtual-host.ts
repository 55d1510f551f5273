// What the routes of one virtual host share. Built by route-table, read by route-entry and router.

import {
  compileLevels,
  compileMutations,
  type HeaderMutations,
} from '../access-log/header-mutations.ts';
import type { RouteConfigData, VirtualHostData } from '../api/config/route.ts';
import {
  type CreateRouteFilterConfig,
  compileFilterConfigs,
  FilterConfigLevels,
  type FilterConfigs,
} from './filter-configs.ts';
import { compileRetryPolicy, type RetryPolicy } from './retry/policy.ts';
import { compileShadowPolicies, type ShadowPolicy } from './shadow-policy.ts';

/** The outermost level, shared by all virtual hosts of a configuration. */
export interface RouteConfigLevel {
  readonly request: HeaderMutations | null;
  readonly response: HeaderMutations | null;
  readonly filterConfigs: FilterConfigs;
  readonly mostSpecificWins: boolean;
  readonly createFilterConfig: CreateRouteFilterConfig;
  readonly shadowPolicies: readonly ShadowPolicy[];
}

export function compileRouteConfigLevel(
  data: RouteConfigData,
  createFilterConfig: CreateRouteFilterConfig,
): RouteConfigLevel {
  return {
    request: compileMutations(data.requestHeaders),
    response: compileMutations(data.responseHeaders),
    filterConfigs: compileFilterConfigs(data.perFilterConfig, createFilterConfig),
    mostSpecificWins: data.mostSpecificHeaderMutationsWins,
    createFilterConfig,
    shadowPolicies: compileShadowPolicies(data.mirrors),
  };
}

/** Immutable. */
export class VirtualHost {
  readonly name: string;
  readonly requireTls: VirtualHostData['requireTls'];
  readonly retryPolicy: RetryPolicy | null;
  readonly hedgesOnPerTryTimeout: boolean;
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly includeIsTimeoutRetryHeader: boolean;
  /** per_request_buffer_limit_bytes; null = none. */
  readonly bufferLimitBytes: number | null;
  /** request_body_buffer_limit; null = none. */
  readonly bodyBufferLimitBytes: number | null;
  readonly level: RouteConfigLevel;
  /** Its own, else the route configuration's. */
  readonly shadowPolicies: readonly ShadowPolicy[];
  readonly request: HeaderMutations | null;
  readonly response: HeaderMutations | null;
  /** Of routes that have none of their own. */
  readonly requestLevels: readonly HeaderMutations[];
  readonly responseLevels: readonly HeaderMutations[];
  readonly filterConfigs: FilterConfigs;
  readonly filterConfigLevels: FilterConfigLevels;

  constructor(data: VirtualHostData, level: RouteConfigLevel) {
    this.name = data.name;
    this.requireTls = data.requireTls;
    this.retryPolicy = data.retryPolicy === null ? null : compileRetryPolicy(data.retryPolicy);
    this.hedgesOnPerTryTimeout = data.hedgeOnPerTryTimeout;
    this.includeRequestAttemptCount = data.includeRequestAttemptCount;
    this.includeAttemptCountInResponse = data.includeAttemptCountInResponse;
    this.includeIsTimeoutRetryHeader = data.includeIsTimeoutRetryHeader;
    this.bufferLimitBytes = data.perRequestBufferLimitBytes;
    this.bodyBufferLimitBytes = data.requestBodyBufferLimitBytes;
    this.level = level;
    this.shadowPolicies =
      data.mirrors.length === 0 ? level.shadowPolicies : compileShadowPolicies(data.mirrors);
    this.request = compileMutations(data.requestHeaders);
    this.response = compileMutations(data.responseHeaders);
    const { mostSpecificWins } = level;
    this.requestLevels = compileLevels([this.request, level.request], mostSpecificWins);
    this.responseLevels = compileLevels([this.response, level.response], mostSpecificWins);
    this.filterConfigs = compileFilterConfigs(data.perFilterConfig, level.createFilterConfig);
    this.filterConfigLevels = new FilterConfigLevels([this.filterConfigs, level.filterConfigs]);
  }
}
