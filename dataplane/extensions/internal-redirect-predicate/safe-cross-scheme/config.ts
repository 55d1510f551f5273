// envoy.internal_redirect_predicates.safe_cross_scheme: no redirect of a plaintext request to https. There is no
// worker half: the data is part of InternalRedirectPolicyData, and router/redirect-policy acts upon it.

import { ok } from '../../../../common/result.ts';
import type { SafeCrossSchemeConfigProto } from '../../../../proto/gen/types.ts';
import type { InternalRedirectPredicateData } from '../../../api/config/route.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

const data: InternalRedirectPredicateData = { kind: 'safe_cross_scheme' };

export const safeCrossScheme: ExtensionConfigFactory<SafeCrossSchemeConfigProto> = {
  name: 'envoy.internal_redirect_predicates.safe_cross_scheme',
  category: 'internal-redirect-predicate',
  configTypes: ['envoy.extensions.internal_redirect.safe_cross_scheme.v3.SafeCrossSchemeConfig'],
  compile: () => ok(data),
};
