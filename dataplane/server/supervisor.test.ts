import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../common/logger.ts';
import { Supervisor } from './supervisor.ts';
import { heartBeatMemory } from './watchdog.ts';

test('a worker that dies before it is ready fails the start, and stopping does not wait for it', async () => {
  const died: string[] = [];
  const supervisor = new Supervisor(
    { onMessage: () => {}, onWorkerDied: (_worker, reason) => died.push(reason) },
    createLogger('off', 'test'),
  );
  const started = supervisor.start(1, {
    heartBeats: heartBeatMemory(1),
    // No logger has that level: the worker throws while it starts.
    logLevel: 'no such level' as 'off',
    drainTimeMs: 1000,
    drainStrategy: 'gradual',
    globalConnectionLimit: null,
    node: { id: '', cluster: '', zone: '' },
    locality: null,
    localClusterName: '',
  });
  await assert.rejects(started, /worker 0 died before it was ready/);
  assert.equal(died.length, 1);
  await supervisor.stop();
});
