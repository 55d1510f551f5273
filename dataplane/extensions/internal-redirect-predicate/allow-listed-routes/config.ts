// envoy.internal_redirect_predicates.allow_listed_routes: redirects go to routes of these names only. There is no
// worker half: the data is part of InternalRedirectPolicyData, and router/redirect-policy acts upon it.

import { ok } from '../../../../common/result.ts';
import type { AllowListedRoutesConfigProto } from '../../../../proto/gen/types.ts';
import type { InternalRedirectPredicateData } from '../../../api/config/route.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

export const allowListedRoutes: ExtensionConfigFactory<AllowListedRoutesConfigProto> = {
  name: 'envoy.internal_redirect_predicates.allow_listed_routes',
  category: 'internal-redirect-predicate',
  configTypes: [
    'envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig',
  ],
  compile: (config: AllowListedRoutesConfigProto) => {
    const routes = config.allowed_route_names ?? [];
    const data: InternalRedirectPredicateData = { kind: 'allow_listed_routes', routes };
    return ok(data);
  },
};
