// envoy.retry_host_predicates.previous_hosts: a retry goes to a host that was not tried yet. There is no
// worker half: the data is part of RetryPolicyData, and router/retry acts upon it.

import { ok } from '../../../../common/result.ts';
import type { PreviousHostsPredicateProto } from '../../../../proto/gen/types.ts';
import type { RetryHostPredicateData } from '../../../api/config/route.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

const data: RetryHostPredicateData = { kind: 'previous_hosts' };

export const previousHosts: ExtensionConfigFactory<PreviousHostsPredicateProto> = {
  name: 'envoy.retry_host_predicates.previous_hosts',
  category: 'retry-host-predicate',
  configTypes: ['envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'],
  compile: () => ok(data),
};
