import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultHcmConfig } from '../../../../test/fakes/hcm.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import type { WorkerContext } from '../../../api/factory.ts';
import { HolderStore } from '../../../stats/store.ts';
import { HcmFilterConfig, httpConnectionManagerFactory } from './filter.ts';

test('filters of a listener may hold its per_connection_buffer_limit_bytes', () => {
  const timers = new FakeTimers();
  let healthchecksFail = false;
  // What a connection manager without filters and logs asks of its worker.
  const worker = {
    timers,
    clock: timers.clock,
    random: () => 0,
    stats: new HolderStore(),
    subscribeRoutes: () => null,
    unsubscribeRoutes: () => {},
    healthchecksFail: () => healthchecksFail,
    createAccessLogger: () => assert.fail('no logs'),
    createHttpFilter: () => assert.fail('no filters'),
  } as unknown as WorkerContext;
  const factory = httpConnectionManagerFactory(() => assert.fail('no inline routes'));
  const create = (drainType: 'DEFAULT' | 'MODIFY_ONLY') => {
    const listener = { statPrefix: 'l', drainType, perConnectionBufferLimitBytes: 1234 };
    const config = factory.create(defaultHcmConfig, worker, listener);
    assert.ok(config instanceof HcmFilterConfig);
    return config.manager;
  };
  const manager = create('DEFAULT');
  assert.equal(manager.bufferLimitBytes, 1234);
  assert.equal(manager.drainClose(), false);
  healthchecksFail = true;
  assert.equal(manager.drainClose(), true);
  assert.equal(create('MODIFY_ONLY').drainClose(), false);
});
