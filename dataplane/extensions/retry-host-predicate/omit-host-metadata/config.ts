// envoy.retry_host_predicates.omit_host_metadata: a retry avoids hosts whose envoy.lb metadata has all that is named
// here. There is no worker half: the data is part of RetryPolicyData, and router/retry acts upon it.

import { ok } from '../../../../common/result.ts';
import type { OmitHostMetadataConfigProto } from '../../../../proto/gen/types.ts';
import type { RetryHostPredicateData } from '../../../api/config/route.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';
import { LB_METADATA, metadataMatchOf } from '../../../api/metadata-match.ts';

export const omitHostMetadata: ExtensionConfigFactory<OmitHostMetadataConfigProto> = {
  name: 'envoy.retry_host_predicates.omit_host_metadata',
  category: 'retry-host-predicate',
  configTypes: ['envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig'],
  compile: ({ metadata_match: match }) => {
    const data: RetryHostPredicateData = {
      kind: 'omit_host_metadata',
      metadata: metadataMatchOf(match?.filter_metadata?.[LB_METADATA] ?? {}).entries,
    };
    return ok(data);
  },
};
