// Localities, zones and weights, beside Envoy.

import { localitiesTopic } from './scenarios/localities.ts';
import { testTopic } from './topic.ts';

testTopic(localitiesTopic);
