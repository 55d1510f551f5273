// Ejections, beside Envoy.

import { ejections } from './scenarios/ejections.ts';
import { testTopic } from './topic.ts';

testTopic(ejections);
