// Subsets, sessions and named hosts, beside Envoy.

import { subsetsTopic } from './scenarios/subsets.ts';
import { testTopic } from './topic.ts';

testTopic(subsetsTopic);
