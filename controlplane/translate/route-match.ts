// HTTPRouteMatch to RouteMatch, and the path rewrites that depend on what was matched.

import type {
  HeaderMatcherProto,
  QueryParameterMatcherProto,
  RegexMatchAndSubstituteProto,
  RouteMatchProto,
  StringMatcherProto,
} from '../../proto/gen/types.ts';
import type { RouteNode } from '../graph/graph.ts';
import type { HttpRouteMatch, PathModifier } from '../model/kinds/http-route.ts';
import { SAFE_METHODS_REGEX } from './retry.ts';

export function translateMatch(
  { match, isGrpc }: Pick<RouteNode, 'match' | 'isGrpc'>,
  safeMethodsOnly: boolean,
): RouteMatchProto {
  const headers = headerMatchers(match, safeMethodsOnly);
  const queryParameters = (match.queryParams ?? []).map(
    (param): QueryParameterMatcherProto => ({
      name: param.name,
      string_match: stringMatcher(param),
    }),
  );
  return {
    ...pathMatch(match),
    ...(headers.length === 0 ? {} : { headers }),
    ...(queryParameters.length === 0 ? {} : { query_parameters: queryParameters }),
    ...(isGrpc ? { grpc: {} } : {}),
  };
}

function pathMatch(match: HttpRouteMatch): RouteMatchProto {
  const value = match.path?.value ?? '/';
  switch (match.path?.type ?? 'PathPrefix') {
    case 'Exact':
      return { path: value };
    case 'RegularExpression':
      return { safe_regex: { regex: value } };
    case 'PathPrefix': {
      // Element by element: /a matches /a and /a/b, not /ab. Envoy forbids a '/' at the end.
      const prefix = trimSlash(value);
      return prefix === '' ? { prefix: '/' } : { path_separated_prefix: prefix };
    }
  }
}

function headerMatchers(match: HttpRouteMatch, safeMethodsOnly: boolean): HeaderMatcherProto[] {
  const matchers: HeaderMatcherProto[] = (match.headers ?? []).map((header) => ({
    name: header.name.toLowerCase(),
    string_match: stringMatcher(header),
  }));
  if (match.method !== undefined) {
    matchers.push({ name: ':method', string_match: { exact: match.method } });
  } else if (safeMethodsOnly) {
    matchers.push({ name: ':method', string_match: { safe_regex: { regex: SAFE_METHODS_REGEX } } });
  }
  return matchers;
}

function stringMatcher(match: { type?: string; value: string }): StringMatcherProto {
  return match.type === 'RegularExpression'
    ? { safe_regex: { regex: match.value } }
    : { exact: match.value };
}

export interface PathRewrite {
  readonly prefix_rewrite?: string;
  readonly regex_rewrite?: RegexMatchAndSubstituteProto;
}

/** The path part of URLRewrite for a route with `match`. */
export function translatePathRewrite(modifier: PathModifier, match: HttpRouteMatch): PathRewrite {
  if (modifier.type === 'ReplaceFullPath') {
    return rewrite('^/.*$', modifier.replaceFullPath ?? '/');
  }
  const from = trimSlash(match.path?.value ?? '/');
  const to = trimSlash(modifier.replacePrefixMatch ?? '/');
  if (from === to) return {};
  // prefix_rewrite would turn /a/b into //b, and / into the prefix glued to the next element.
  if (to === '') return rewrite(`^${quoteRegex(from)}/*`, '/');
  if (from === '') return { prefix_rewrite: `${to}/` };
  return { prefix_rewrite: to };
}

function rewrite(regex: string, text: string): PathRewrite {
  // In a substitution a backslash starts a group reference.
  return {
    regex_rewrite: { pattern: { regex }, substitution: text.replaceAll('\\', '\\\\') },
  };
}

function quoteRegex(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

function trimSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}
