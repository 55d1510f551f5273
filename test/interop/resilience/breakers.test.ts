// Circuit breakers, beside Envoy.

import { breakersTopic } from './scenarios/breakers.ts';
import { testTopic } from './topic.ts';

testTopic(breakersTopic);
