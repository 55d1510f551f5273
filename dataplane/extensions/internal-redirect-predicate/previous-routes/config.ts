// envoy.internal_redirect_predicates.previous_routes: a request is redirected from one route to another but once.
// There is no worker half: the data is part of InternalRedirectPolicyData, and router/redirect-policy acts upon it.

import { ok } from '../../../../common/result.ts';
import type { PreviousRoutesConfigProto } from '../../../../proto/gen/types.ts';
import type { InternalRedirectPredicateData } from '../../../api/config/route.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

const data: InternalRedirectPredicateData = { kind: 'previous_routes' };

export const previousRoutes: ExtensionConfigFactory<PreviousRoutesConfigProto> = {
  name: 'envoy.internal_redirect_predicates.previous_routes',
  category: 'internal-redirect-predicate',
  configTypes: ['envoy.extensions.internal_redirect.previous_routes.v3.PreviousRoutesConfig'],
  compile: () => ok(data),
};
