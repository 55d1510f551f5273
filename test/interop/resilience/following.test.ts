// Requests that go to more than one place, beside Envoy: mirrors, internal redirects, hedges.

import { hedgingTopic, mirroringTopic, redirectingTopic } from './scenarios/following.ts';
import { testTopic } from './topic.ts';

testTopic(mirroringTopic);
testTopic(redirectingTopic);
testTopic(hedgingTopic);
