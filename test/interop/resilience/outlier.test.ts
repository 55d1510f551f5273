// Ejections, beside Envoy.

import { outlier } from './scenarios/outlier.ts';
import { testTopic } from './topic.ts';

testTopic(outlier);
