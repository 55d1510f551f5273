// Shares of priorities, beside Envoy.

import { prioritiesTopic } from './scenarios/priorities.ts';
import { testTopic } from './topic.ts';

testTopic(prioritiesTopic);
