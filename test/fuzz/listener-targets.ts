// Fuzz targets of the parsers that listener filters peek with.

import assert from 'node:assert/strict';
import { parseClientHello } from '../../dataplane/extensions/listener/tls-inspector/client-hello.ts';
import { mutateBytes } from './mutate-bytes.ts';
import type { FuzzTarget } from './target.ts';

/**
 * A parser that is shown ever more of the same bytes must decide once: after the first prefix that is not
 * need-more, every longer one gets the same answer.
 */
export const clientHello: FuzzTarget = {
  name: 'client-hello',
  mutate: mutateBytes,
  check(input) {
    let decided = '';
    let decidedAt = 0;
    const step = input.length <= 2000 ? 1 : 97;
    for (let length = 0; length <= input.length; length += step) {
      const outcome = parseClientHello(input.subarray(0, length));
      if (decided === '') {
        if (outcome.kind === 'need-more') continue;
        decided = JSON.stringify(outcome);
        decidedAt = length;
      }
      assert.equal(JSON.stringify(outcome), decided, `at ${length} otherwise than at ${decidedAt}`);
    }
  },
};
