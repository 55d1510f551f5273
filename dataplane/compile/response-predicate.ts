// config.common.matcher.v3.MatchPredicate as plain data, as far as it looks at the head of a response. The rest was
// refused by the support table.

import { joinPath } from '../../common/result.ts';
import type { MatchPredicateProto } from '../../proto/gen/types.ts';
import type { ResponsePredicateData } from '../api/matcher-data.ts';
import { type Compilation, mapItems } from './compilation.ts';
import { compileHeaderMatcher } from './matchers.ts';

/** Deeper ones are refused: somebody made a mistake, and a recursion must end. */
const MAX_DEPTH = 16;

export function compileResponsePredicate(
  predicate: MatchPredicateProto,
  path: string,
  compilation: Compilation,
  depth = 0,
): ResponsePredicateData {
  if (depth > MAX_DEPTH) {
    compilation.fail(path, `must not be nested more than ${MAX_DEPTH} times`);
    return { kind: 'any' };
  }
  const rulesOf = (field: 'or_match' | 'and_match'): ResponsePredicateData[] =>
    mapItems(predicate[field]?.rules, joinPath(path, `${field}.rules`), (rule, at) =>
      compileResponsePredicate(rule, at, compilation, depth + 1),
    );
  if (predicate.or_match !== undefined) return { kind: 'or', rules: rulesOf('or_match') };
  if (predicate.and_match !== undefined) return { kind: 'and', rules: rulesOf('and_match') };
  if (predicate.not_match !== undefined) {
    const at = joinPath(path, 'not_match');
    const rule = compileResponsePredicate(predicate.not_match, at, compilation, depth + 1);
    return { kind: 'not', rule };
  }
  const headers = predicate.http_response_headers_match;
  if (headers !== undefined) {
    return {
      kind: 'headers',
      headers: mapItems(
        headers.headers,
        joinPath(path, 'http_response_headers_match.headers'),
        (matcher, at) => compileHeaderMatcher(matcher, at, compilation),
      ),
    };
  }
  return { kind: 'any' };
}
