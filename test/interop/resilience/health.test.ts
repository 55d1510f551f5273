// Active health checks, beside Envoy.

import { health } from './scenarios/health.ts';
import { testTopic } from './topic.ts';

testTopic(health);
