// What the health_check filter answers, beside Envoy.

import { healthFilter } from './scenarios/health-filter.ts';
import { testTopic } from './topic.ts';

testTopic(healthFilter);
