// Makes node:test tests of a topic's scenarios. Each test file has one topic and calls this once.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { skipWithout } from '../peers.ts';
import type { Difference } from './compare.ts';
import { CONCURRENCY, type Pair, startPair, unexplained } from './driver.ts';
import type { Topic } from './scenario.ts';

export function testTopic(topic: Topic): void {
  describe(`beside Envoy: ${topic.name}`, {
    skip: skipWithout('envoy'),
    concurrency: CONCURRENCY,
  }, () => {
    let pair: Pair | null = null;
    before(async () => {
      pair = await startPair(topic);
    });
    after(async () => {
      await pair?.stop();
    });
    for (const scenario of topic.scenarios) {
      const { todo } = scenario;
      test(scenario.name, todo === undefined ? {} : { todo }, async () => {
        assert.ok(pair !== null);
        const outcome = await pair.run(scenario);
        if (outcome.differences.length > 0) assert.fail(outcome.differences.map(lineOf).join('\n'));
        assert.deepEqual(unexplained(outcome), []);
      });
    }
  });
}

function lineOf({ path, envoy, remora }: Difference): string {
  return `${path}: envoy ${envoy}, remora ${remora}`;
}
