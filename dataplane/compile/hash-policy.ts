// config.route.v3.RouteAction.HashPolicy as plain data: of routes, clusters' HTTP options and consistent hashing
// policies.

import { byteString } from '../../common/byte-string.ts';
import type {
  RouteActionHashPolicyCookieProto,
  RouteActionHashPolicyProto,
} from '../../proto/gen/types.ts';
import type { HashCookieData, HashPolicyData, HashSourceData } from '../api/config/hash-policy.ts';
import { type Compilation, mapItems } from './compilation.ts';
import { compileRegexRewrite, headerName } from './matchers.ts';

export function compileHashPolicies(
  policies: readonly RouteActionHashPolicyProto[] | undefined,
  path: string,
  compilation: Compilation,
): readonly HashPolicyData[] {
  const compiled: HashPolicyData[] = [];
  mapItems(policies, path, (policy, at) => {
    const source = compileSource(policy, at, compilation);
    if (source !== null) compiled.push({ source, terminal: policy.terminal ?? false });
  });
  return compiled;
}

/** Null = it hashes nothing, or is not valid (then said). */
function compileSource(
  policy: RouteActionHashPolicyProto,
  path: string,
  compilation: Compilation,
): HashSourceData | null {
  const { header, cookie, connection_properties: connection, query_parameter: parameter } = policy;
  if (header !== undefined) {
    const name = headerName(header.header_name, `${path}.header.header_name`, compilation);
    const at = `${path}.header.regex_rewrite`;
    const rewrite =
      header.regex_rewrite === undefined
        ? null
        : compileRegexRewrite(header.regex_rewrite, at, compilation);
    return { kind: 'header', name, rewrite };
  }
  if (cookie !== undefined) return { kind: 'cookie', ...compileCookie(cookie) };
  // Envoy: without source_ip there is nothing in the connection's properties to hash.
  if (connection !== undefined) return connection.source_ip === true ? { kind: 'source_ip' } : null;
  if (parameter !== undefined) return { kind: 'query_parameter', name: parameter.name ?? '' };
  if (policy.filter_state !== undefined) {
    return { kind: 'filter_state', key: policy.filter_state.key ?? '' };
  }
  compilation.fail(
    path,
    'one of header, cookie, connection_properties, query_parameter, filter_state is required',
  );
  return null;
}

/** Texts become part of a header: bytes. */
function compileCookie(cookie: RouteActionHashPolicyCookieProto): HashCookieData {
  return {
    name: byteString(cookie.name ?? ''),
    // Envoy: whole seconds.
    ttlS: cookie.ttl === undefined ? null : cookie.ttl.seconds,
    path: byteString(cookie.path ?? ''),
    attributes: (cookie.attributes ?? []).map(({ name, value }) => ({
      name: byteString(name ?? ''),
      value: byteString(value ?? ''),
    })),
  };
}
