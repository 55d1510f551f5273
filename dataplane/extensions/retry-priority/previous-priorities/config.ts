// envoy.retry_priorities.previous_priorities: retries go to priorities that were not tried yet. There is no worker
// half: the data is part of RetryPolicyData, and router/retry acts upon it.

import { ok } from '../../../../common/result.ts';
import type { PreviousPrioritiesConfigProto } from '../../../../proto/gen/types.ts';
import type { RetryPriorityData } from '../../../api/config/route.ts';
import type { ExtensionConfigFactory } from '../../../api/factory.ts';

export const previousPriorities: ExtensionConfigFactory<PreviousPrioritiesConfigProto> = {
  name: 'envoy.retry_priorities.previous_priorities',
  category: 'retry-priority',
  configTypes: ['envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig'],
  compile: ({ update_frequency: updateFrequency }) => {
    // The constraints of the proto want it.
    const data: RetryPriorityData = { updateFrequency: updateFrequency ?? 1 };
    return ok(data);
  },
};
