// Which host is picked, beside Envoy.

import { policies } from './scenarios/policies.ts';
import { testTopic } from './topic.ts';

testTopic(policies);
