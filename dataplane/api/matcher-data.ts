// Compiled forms of Envoy's small matcher messages, as plain data that every room understands.
// type.matcher.v3.*; the regex texts were checked as RE2 by config/ (re2js) before they got here.

export type StringMatcherData =
  | { readonly kind: 'exact'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'prefix'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'suffix'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'contains'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'regex'; readonly value: string; readonly ignoreCase: false };

/** config.route.v3.HeaderMatcher. `name` is lower-case; pseudo names keep their ':'. */
export interface HeaderMatcherData {
  readonly name: string;
  readonly match:
    | { readonly kind: 'string'; readonly matcher: StringMatcherData }
    | { readonly kind: 'range'; readonly start: number; readonly end: number }
    | { readonly kind: 'present'; readonly present: boolean };
  readonly invert: boolean;
  readonly treatMissingAsEmpty: boolean;
}

/** type.v3.FractionalPercent as `numerator` out of `denominator` (100, 10 000, 1 000 000). */
export interface FractionData {
  readonly numerator: number;
  readonly denominator: number;
  /** What runtime makes of it: one Float64, see matcher/runtime-value.ts. Absent = it stays as it is. */
  readonly live?: SharedArrayBuffer;
}

/** core.v3.HeaderValueOption. `value` is an access-log format string. */
export interface HeaderMutationData {
  readonly name: string;
  readonly value: string;
  readonly action:
    | 'APPEND_IF_EXISTS_OR_ADD'
    | 'ADD_IF_ABSENT'
    | 'OVERWRITE_IF_EXISTS_OR_ADD'
    | 'OVERWRITE_IF_EXISTS';
  readonly keepEmptyValue: boolean;
}

/** config.common.mutation_rules.v3.HeaderMutation. Names are lower-case; `:`-names and host were refused. */
export type OrderedMutationData =
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'append'; readonly header: HeaderMutationData }
  /** Removes every header whose name matches. */
  | { readonly kind: 'remove_on_match'; readonly nameMatcher: StringMatcherData };

/** request_/response_headers_to_add/_to_remove of one level. */
export interface HeaderMutationsData {
  readonly add: readonly HeaderMutationData[];
  /** Lower-case names. */
  readonly remove: readonly string[];
}

/** type.matcher.v3.RegexMatchAndSubstitute (`\1` back references). */
export interface RegexRewriteData {
  readonly regex: string;
  readonly substitution: string;
}

/** Those of config.common.matcher.v3.MatchPredicate that look at a response's head. */
export type ResponsePredicateData =
  | { readonly kind: 'any' }
  | { readonly kind: 'or' | 'and'; readonly rules: readonly ResponsePredicateData[] }
  | { readonly kind: 'not'; readonly rule: ResponsePredicateData }
  | { readonly kind: 'headers'; readonly headers: readonly HeaderMatcherData[] };
