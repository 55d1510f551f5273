// RouteAction.InternalRedirectPolicy with Envoy's defaults filled in, or its deprecated form, two fields of the action.

import type { InternalRedirectPolicyProto, RouteActionProto } from '../../proto/gen/types.ts';
import { wrapperOr } from '../../proto/well-known.ts';
import type {
  InternalRedirectPolicyData,
  InternalRedirectPredicateData,
} from '../api/config/route.ts';
import { type Compilation, mapItems, namedAny } from './compilation.ts';
import { headerName } from './matchers.ts';

const FOUND = 302;
/** Others are left out, as Envoy does. */
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/** Null = none; `path`: of the action. */
export function compileInternalRedirect(
  action: RouteActionProto,
  path: string,
  compilation: Compilation,
): InternalRedirectPolicyData | null {
  const policy = action.internal_redirect_policy ?? deprecatedPolicy(action);
  if (policy === null) return null;
  const at = `${path}.internal_redirect_policy`;
  return {
    maxInternalRedirects: wrapperOr(policy.max_internal_redirects, 1),
    redirectResponseCodes: compileCodes(policy),
    predicates: compilePredicates(policy, at, compilation),
    allowCrossSchemeRedirect: policy.allow_cross_scheme_redirect ?? false,
    responseHeadersToCopy: mapItems(
      policy.response_headers_to_copy,
      `${at}.response_headers_to_copy`,
      (name, namePath) => copiedName(name, namePath, compilation),
    ),
  };
}

function deprecatedPolicy(action: RouteActionProto): InternalRedirectPolicyProto | null {
  const { internal_redirect_action: what, max_internal_redirects } = action;
  return what === 'HANDLE_INTERNAL_REDIRECT' ? { max_internal_redirects } : null;
}

function compileCodes({ redirect_response_codes: codes = [] }: InternalRedirectPolicyProto) {
  return codes.length === 0 ? [FOUND] : codes.filter((code) => REDIRECTS.includes(code));
}

function compilePredicates(
  policy: InternalRedirectPolicyProto,
  path: string,
  compilation: Compilation,
): InternalRedirectPredicateData[] {
  const predicates: InternalRedirectPredicateData[] = [];
  mapItems(policy.predicates, `${path}.predicates`, (predicate, at) => {
    const compiled = compilation.extension('internal-redirect-predicate', namedAny(predicate), at);
    // What extensions of that category make.
    if (compiled !== null) predicates.push(compiled.data as InternalRedirectPredicateData);
  });
  return predicates;
}

/** What frames a message, or says where it goes, is never the response's to say. */
const FRAMING = ['host', 'content-length', 'transfer-encoding', 'connection', 'upgrade'];

function copiedName(name: string, path: string, compilation: Compilation): string {
  const lower = headerName(name, path, compilation);
  if (lower.startsWith(':') || FRAMING.includes(lower)) {
    compilation.fail(path, `may not be ${lower}`);
  }
  return lower;
}
