// Compiled ScopedRoutes: which route configuration serves a request, by a key that is taken from its headers. Plain
// data made by compile/scoped-routes, run by router/scope-set and router/scoped-route-table.

import type { ResourceReference } from '../resource-compiler.ts';
import type { RouteConfigData } from './route.ts';

/** One part of a request's scope key; only the header's first value counts. Texts are byte strings. */
export type ScopeFragmentData =
  | {
      readonly kind: 'index';
      /** Lower-case. */
      readonly header: string;
      /** '' = the value is one element. */
      readonly elementSeparator: string;
      /** 0-based. */
      readonly index: number;
    }
  | {
      readonly kind: 'element';
      /** Lower-case. */
      readonly header: string;
      /** '' = the value is one element. */
      readonly elementSeparator: string;
      /** Between key and value of an element. */
      readonly separator: string;
      readonly key: string;
    };

/** ScopedRoutes.ScopeKeyBuilder: a request without one of the parts has no key. */
export type ScopeKeyBuilderData = readonly ScopeFragmentData[];

/** ScopedRouteConfiguration. */
export interface ScopeData {
  readonly name: string;
  /** Byte strings. */
  readonly key: readonly string[];
  readonly isOnDemand: boolean;
  readonly routes:
    | { readonly kind: 'inline'; readonly config: RouteConfigData }
    | {
        readonly kind: 'rds';
        /** resourceId of the route configuration. */
        readonly id: string;
        /** What to ask for when a request needs it; null = it comes without. */
        readonly onDemand: ResourceReference | null;
      };
}

/** A ScopedRouteConfiguration that came by SRDS. */
export interface ScopeResource {
  /** resourceId of all scopes of its source: see ScopedRoutesData. */
  readonly collection: string;
  readonly scope: ScopeData;
}

/** HttpConnectionManager.scoped_routes. */
export interface ScopedRoutesData {
  readonly kind: 'scoped';
  /** Stats of scopes hang below `http.<stat_prefix>.scoped_rds.<name>.` */
  readonly name: string;
  readonly keyBuilder: ScopeKeyBuilderData;
  readonly scopes:
    | { readonly kind: 'inline'; readonly list: readonly ScopeData[] }
    /** By SRDS: all scopes of a source. */
    | { readonly kind: 'srds'; readonly collection: string };
}
