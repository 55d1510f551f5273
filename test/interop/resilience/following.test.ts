// Requests that go to more than one place, beside Envoy: mirrors, internal redirects, hedges.

import {
  hedgingTopic,
  mirroringTopic,
  overHttp2Topic,
  redirectingTopic,
} from './scenarios/following.ts';
import { testTopic } from './topic.ts';

testTopic(mirroringTopic);
testTopic(redirectingTopic);
testTopic(hedgingTopic);
testTopic(overHttp2Topic);
