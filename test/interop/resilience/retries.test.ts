// Retries and the router's timeouts, beside Envoy.

import { retries } from './scenarios/retries.ts';
import { testTopic } from './topic.ts';

testTopic(retries);
