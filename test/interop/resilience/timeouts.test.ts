// Timeouts of the router, beside Envoy.

import { timeouts } from './scenarios/timeouts.ts';
import { testTopic } from './topic.ts';

testTopic(timeouts);
