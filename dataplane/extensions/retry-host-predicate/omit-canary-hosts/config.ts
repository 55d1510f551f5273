// envoy.retry_host_predicates.omit_canary_hosts: a retry goes to a host that is no canary. There is no worker half:
// the data is part of RetryPolicyData, and router/retry acts upon it.

import { ok } from '../../../../common/result.ts';
import type { OmitCanaryHostsPredicateProto } from '../../../../proto/gen/types.ts';
import type { RetryHostPredicateData } from '../../../api/config/route.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

const data: RetryHostPredicateData = { kind: 'omit_canary_hosts' };

export const omitCanaryHosts: ExtensionConfigFactory<OmitCanaryHostsPredicateProto> = {
  name: 'envoy.retry_host_predicates.omit_canary_hosts',
  category: 'retry-host-predicate',
  configTypes: ['envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate'],
  compile: () => ok(data),
};
