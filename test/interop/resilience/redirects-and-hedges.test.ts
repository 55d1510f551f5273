// Redirects that are followed inside, and hedged tries, beside Envoy.

import { hedgingTopic, redirectingTopic } from './scenarios/following.ts';
import { testTopic } from './topic.ts';

testTopic(redirectingTopic);
testTopic(hedgingTopic);
