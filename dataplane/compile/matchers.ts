// type.matcher.v3 and config.route.v3 matchers as plain data (api/matcher-data.ts). Regular expressions
// are checked as RE2, which is what runs them.

import { byteString } from '../../common/byte-string.ts';
import { errorText } from '../../common/coded-error.ts';
import { loadRe2 } from '../../common/re2.ts';
import type {
  HeaderMatcherProto,
  PathMatcherProto,
  QueryParameterMatcherProto,
  RegexMatchAndSubstituteProto,
  RegexMatcherProto,
  RuntimeFeatureFlagProto,
  RuntimeFractionalPercentProto,
  StringMatcherProto,
} from '../../proto/gen/types.ts';
import { fractionOf, wrapperOr } from '../../proto/well-known.ts';
import type { QueryParameterMatcherData } from '../api/config/route.ts';
import type {
  FractionData,
  HeaderMatcherData,
  RegexRewriteData,
  StringMatcherData,
} from '../api/matcher-data.ts';
import type { RuntimeFlag, RuntimeNumber } from '../api/runtime.ts';
import type { Compilation } from './compilation.ts';

const matchesNothing: StringMatcherData = { kind: 'exact', value: '', ignoreCase: false };

/** The pattern's text after it was found to be valid RE2. */
export function compileRegex(
  regex: RegexMatcherProto | undefined,
  path: string,
  compilation: Pick<Compilation, 'fail'>,
): string {
  const pattern = regex?.regex ?? '';
  if (pattern === '') {
    compilation.fail(`${path}.regex`, 'must not be empty');
    return '';
  }
  try {
    loadRe2().compile(pattern);
  } catch (thrown) {
    compilation.fail(`${path}.regex`, `invalid regex '${pattern}': ${errorText(thrown)}`);
  }
  return pattern;
}

export function compileRegexRewrite(
  rewrite: RegexMatchAndSubstituteProto,
  path: string,
  compilation: Compilation,
): RegexRewriteData {
  const regex = compileRegex(rewrite.pattern, `${path}.pattern`, compilation);
  const substitution = rewrite.substitution ?? '';
  checkSubstitution(regex, substitution, `${path}.substitution`, compilation);
  return { regex, substitution };
}

/** RE2 rewrites: `\0`..`\9` refer to groups that exist, `\\` is a backslash, nothing else follows `\`. */
function checkSubstitution(
  regex: string,
  substitution: string,
  path: string,
  compilation: Compilation,
): void {
  let highest = 0;
  for (let i = 0; i < substitution.length; i++) {
    if (substitution[i] !== '\\') continue;
    const next = substitution[++i] ?? '';
    if (next >= '0' && next <= '9') highest = Math.max(highest, Number(next));
    else if (next !== '\\') {
      compilation.fail(path, `'\\' must be followed by a digit or '\\'`);
      return;
    }
  }
  let groups: number;
  try {
    groups = loadRe2().compile(regex).groupCount();
  } catch {
    return; // the pattern's own error was recorded
  }
  if (highest > groups) {
    compilation.fail(path, `refers to group \\${highest}, but the pattern has ${groups}`);
  }
}

export function compileStringMatcher(
  matcher: StringMatcherProto | undefined,
  path: string,
  compilation: Pick<Compilation, 'fail'>,
): StringMatcherData {
  if (matcher === undefined) {
    compilation.fail(path, 'is required');
    return matchesNothing;
  }
  const ignoreCase = matcher.ignore_case ?? false;
  if (matcher.exact !== undefined) return { kind: 'exact', value: matcher.exact, ignoreCase };
  if (matcher.prefix !== undefined) return { kind: 'prefix', value: matcher.prefix, ignoreCase };
  if (matcher.suffix !== undefined) return { kind: 'suffix', value: matcher.suffix, ignoreCase };
  if (matcher.contains !== undefined) {
    return { kind: 'contains', value: matcher.contains, ignoreCase };
  }
  if (matcher.safe_regex !== undefined) {
    if (ignoreCase)
      compilation.fail(`${path}.ignore_case`, 'ignore_case has no effect for safe_regex');
    const value = compileRegex(matcher.safe_regex, `${path}.safe_regex`, compilation);
    return { kind: 'regex', value, ignoreCase: false };
  }
  compilation.fail(path, 'one of exact, prefix, suffix, contains, safe_regex is required');
  return matchesNothing;
}

/** type.matcher.v3.PathMatcher: a string matcher on the path without its query. */
export function compilePathMatcher(
  matcher: PathMatcherProto,
  path: string,
  compilation: Compilation,
): StringMatcherData {
  return compileStringMatcher(matcher.path, `${path}.path`, compilation);
}

export function compileHeaderMatcher(
  matcher: HeaderMatcherProto,
  path: string,
  compilation: Compilation,
): HeaderMatcherData {
  return {
    name: headerName(matcher.name, `${path}.name`, compilation),
    match: headerMatch(matcher, path, compilation),
    invert: matcher.invert_match ?? false,
    treatMissingAsEmpty: matcher.treat_missing_header_as_empty ?? false,
  };
}

function headerMatch(
  matcher: HeaderMatcherProto,
  path: string,
  compilation: Compilation,
): HeaderMatcherData['match'] {
  const text = (kind: 'exact' | 'prefix' | 'suffix' | 'contains', value: string) =>
    ({ kind: 'string', matcher: { kind, value: byteString(value), ignoreCase: false } }) as const;
  if (matcher.string_match !== undefined) {
    const string = compileStringMatcher(matcher.string_match, `${path}.string_match`, compilation);
    // Header values are bytes: Envoy compares the UTF-8 of the text with them.
    const bytes = string.kind === 'regex' ? string : { ...string, value: byteString(string.value) };
    return { kind: 'string', matcher: bytes };
  }
  if (matcher.range_match !== undefined) {
    const start = Number(matcher.range_match.start ?? 0);
    const end = Number(matcher.range_match.end ?? 0);
    return { kind: 'range', start, end };
  }
  // The deprecated spellings say the same as string_match.
  if (matcher.exact_match !== undefined) return text('exact', matcher.exact_match);
  if (matcher.prefix_match !== undefined) return text('prefix', matcher.prefix_match);
  if (matcher.suffix_match !== undefined) return text('suffix', matcher.suffix_match);
  if (matcher.contains_match !== undefined) return text('contains', matcher.contains_match);
  if (matcher.safe_regex_match !== undefined) {
    const value = compileRegex(matcher.safe_regex_match, `${path}.safe_regex_match`, compilation);
    return { kind: 'string', matcher: { kind: 'regex', value, ignoreCase: false } };
  }
  return { kind: 'present', present: matcher.present_match ?? true };
}

export function compileQueryParameterMatcher(
  matcher: QueryParameterMatcherProto,
  path: string,
  compilation: Compilation,
): QueryParameterMatcherData {
  const name = matcher.name ?? '';
  if (matcher.string_match === undefined) {
    return { name, matcher: null, present: matcher.present_match ?? true };
  }
  const string = compileStringMatcher(matcher.string_match, `${path}.string_match`, compilation);
  return { name, matcher: string, present: true };
}

const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Lower-case header name; `:` names allowed. */
export function headerName(
  name: string | undefined,
  path: string,
  compilation: Compilation,
): string {
  const text = name ?? '';
  const bare = text.startsWith(':') ? text.slice(1) : text;
  if (!tokenPattern.test(bare)) compilation.fail(path, `invalid header name '${text}'`);
  return text.toLowerCase();
}

/** core.v3.RuntimeFractionalPercent. */
export function compileRuntimeFraction(
  fraction: RuntimeFractionalPercentProto,
  compilation: Compilation,
): FractionData {
  const otherwise = fractionOf(fraction.default_value ?? {});
  const key = fraction.runtime_key ?? '';
  return key === '' ? otherwise : compilation.context.runtime.fraction(key, otherwise);
}

/** core.v3.RuntimeFeatureFlag; absent = on, as everywhere in Envoy. */
export function runtimeFlag(
  flag: RuntimeFeatureFlagProto | undefined,
  compilation: Compilation,
): RuntimeFlag {
  const otherwise = wrapperOr(flag?.default_value, true);
  const key = flag?.runtime_key ?? '';
  return key === '' ? otherwise : compilation.context.runtime.flag(key, otherwise);
}

/** core.v3.RuntimeUInt32 ('integer') and RuntimeDouble ('double'). */
export function runtimeNumber(
  kind: 'integer' | 'double',
  value: { readonly default_value?: number | undefined; readonly runtime_key?: string | undefined },
  compilation: Compilation,
): RuntimeNumber {
  const otherwise = value.default_value ?? 0;
  const key = value.runtime_key ?? '';
  return key === '' ? otherwise : compilation.context.runtime[kind](key, otherwise);
}
