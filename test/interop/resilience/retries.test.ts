// What is tried again, beside Envoy.

import { retries } from './scenarios/retries.ts';
import { testTopic } from './topic.ts';

testTopic(retries);
