import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeConnection } from '../../test/fakes/connection.ts';
import { HcmScenario } from '../../test/fakes/hcm.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { ConnectionCloseType } from '../api/connection.ts';
import { immediateDrain } from '../api/drain.ts';
import { ResponseHeaders } from '../api/headers.ts';

test('connections leave no timer behind, however they end', () => {
  const timers = new FakeTimers();
  const config = {
    ...{ maxConnectionDurationMs: 60_000, requestHeadersTimeoutMs: 5000, requestTimeoutMs: 5000 },
    ...{ maxStreamDurationMs: 9000 },
  };
  const answer = (scenario: HcmScenario) =>
    scenario.router.encodeHeaders(new ResponseHeaders(200, []), true, 'via_upstream');
  const ways: ((scenario: HcmScenario) => void)[] = [
    (scenario) => scenario.connection.remoteClose(),
    (scenario) => {
      scenario.send('GET / HT');
      scenario.connection.remoteClose();
    },
    (scenario) => {
      scenario.get();
      scenario.connection.remoteClose();
    },
    (scenario) => {
      scenario.get();
      answer(scenario);
      scenario.connection.close(ConnectionCloseType.FlushWrite);
    },
    (scenario) => {
      scenario.config.startDrain(immediateDrain(0));
      scenario.get();
      answer(scenario);
    },
    (scenario) => scenario.send('bad\r\n\r\n'),
  ];
  for (let i = 0; i < 600; i++) {
    const scenario = new HcmScenario({ timers, config, connection: new FakeConnection() });
    ways[i % ways.length]!(scenario);
    assert.equal(scenario.connection.isOpen(), false, `way ${i % ways.length}`);
    assert.equal(scenario.stat('http.test.downstream_rq_active'), 0);
    assert.equal(scenario.stat('http.test.downstream_cx_active'), 0);
    // What streams gave back lies in the pool for the next ones.
    scenario.config.streamTimers.dispose();
    assert.equal(timers.armedCount(), 0, `way ${i % ways.length}`);
  }
});
