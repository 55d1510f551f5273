// The same once the server is to fail its checks (/healthcheck/fail).

import { healthFilterFails } from './scenarios/health-filter.ts';
import { testTopic } from './topic.ts';

testTopic(healthFilterFails);
