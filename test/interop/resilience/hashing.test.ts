// Which host a key belongs to, beside Envoy.

import { hashing } from './scenarios/hashing.ts';
import { testTopic } from './topic.ts';

testTopic(hashing);
