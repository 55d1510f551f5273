// Mirrored requests, and mirrors, redirects and hedges over HTTP/2, beside Envoy.

import { mirroringTopic, overHttp2Topic } from './scenarios/following.ts';
import { testTopic } from './topic.ts';

testTopic(mirroringTopic);
testTopic(overHttp2Topic);
