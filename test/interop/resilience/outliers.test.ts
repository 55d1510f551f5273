// Who is ejected, for what and for how long, beside Envoy.

import { outliers } from './scenarios/outliers.ts';
import { testTopic } from './topic.ts';

testTopic(outliers);
