// Localities, zones and subsets, beside Envoy.

import { localities, zoneAwareRouting } from './scenarios/localities.ts';
import { testTopic } from './topic.ts';

testTopic(localities);
testTopic(zoneAwareRouting);
