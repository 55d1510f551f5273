// Circuit breakers, beside Envoy.

import { breakers } from './scenarios/breakers.ts';
import { testTopic } from './topic.ts';

testTopic(breakers);
