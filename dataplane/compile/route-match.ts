// config.route.v3.RouteMatch as plain data.

import type { RouteMatchProto } from '../../proto/gen/types.ts';
import { wrapperOr } from '../../proto/well-known.ts';
import type { RouteMatchData } from '../api/config/route.ts';
import { type Compilation, mapItems } from './compilation.ts';
import {
  compileHeaderMatcher,
  compileQueryParameterMatcher,
  compileRegex,
  compileRuntimeFraction,
} from './matchers.ts';

export function compileRouteMatch(
  match: RouteMatchProto | undefined,
  path: string,
  compilation: Compilation,
): RouteMatchData {
  if (match === undefined) compilation.fail(path, 'is required');
  const proto = match ?? {};
  return {
    path: compilePath(proto, path, compilation),
    caseSensitive: wrapperOr(proto.case_sensitive, true),
    headers: mapItems(proto.headers, `${path}.headers`, (matcher, at) =>
      compileHeaderMatcher(matcher, at, compilation),
    ),
    queryParameters: mapItems(proto.query_parameters, `${path}.query_parameters`, (matcher, at) =>
      compileQueryParameterMatcher(matcher, at, compilation),
    ),
    runtimeFraction:
      proto.runtime_fraction === undefined
        ? null
        : compileRuntimeFraction(proto.runtime_fraction, compilation),
    grpc: proto.grpc !== undefined,
  };
}

function compilePath(
  match: RouteMatchProto,
  path: string,
  compilation: Compilation,
): RouteMatchData['path'] {
  if (match.connect_matcher !== undefined) return { kind: 'connect', value: '' };
  if (match.prefix !== undefined) return { kind: 'prefix', value: match.prefix };
  if (match.path !== undefined) return { kind: 'path', value: match.path };
  if (match.path_separated_prefix !== undefined) {
    const value = match.path_separated_prefix;
    // /a/ could never match /a, and ? or # never stand in a path.
    if (!/^[^?#]+[^?#/]$/.test(value)) {
      compilation.fail(
        `${path}.path_separated_prefix`,
        "must not be empty, contain '?' or '#', nor end in '/'",
      );
    }
    return { kind: 'path_separated_prefix', value };
  }
  if (match.safe_regex !== undefined) {
    const value = compileRegex(match.safe_regex, `${path}.safe_regex`, compilation);
    if (match.case_sensitive?.value === false) {
      compilation.context.warn(`${path}.case_sensitive`, 'has no effect with safe_regex');
    }
    return { kind: 'safe_regex', value };
  }
  return { kind: 'prefix', value: '/' }; // no specifier: validation or the support table said so
}
