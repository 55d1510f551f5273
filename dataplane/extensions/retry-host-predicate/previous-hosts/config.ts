// envoy.retry_host_predicates.previous_hosts: a retry goes to a host that was not tried yet. There is no
// worker half: compile/retry-policy turns it into RetryPolicyData.previousHosts.

import { ok } from '../../../../common/result.ts';
import type { PreviousHostsPredicateProto } from '../../../../proto/gen/types.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

export const previousHosts: ExtensionConfigFactory<PreviousHostsPredicateProto> = {
  name: 'envoy.retry_host_predicates.previous_hosts',
  category: 'retry-host-predicate',
  configTypes: ['envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'],
  compile: () => ok(null),
};
