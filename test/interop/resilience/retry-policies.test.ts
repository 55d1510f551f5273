// Each field of a retry policy, each token and header, the router's timeouts: beside Envoy.

import { retryPolicies } from './scenarios/retry-policies.ts';
import { testTopic } from './topic.ts';

testTopic(retryPolicies);
