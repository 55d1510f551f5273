import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { grpcSource } from '../../test/fakes/config-source.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { assignment } from '../../test/fakes/xds-resources.ts';
import type { BootstrapConfig } from '../api/config/bootstrap.ts';
import { HolderStore } from '../stats/store.ts';
import { LastGoodKeeper } from '../xds/last-good/keeper.ts';
import type { ResourceSource, SourceOwner } from '../xds/resource-source.ts';
import { ControlPlaneStats } from '../xds/xds-stats.ts';
import { LastGood } from './last-good.ts';

test('a source that is opened again is not given what was on disk at the start', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'remora-last-good-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const timers = new FakeTimers();
  const parts = { clock: timers.clock, timers, logger: silentLogger(), stats: new HolderStore() };
  const config = {
    stateDirectory: folder,
    holdoffMs: 1000,
    maxBytes: 65_536,
    maxAgeMs: 60_000,
    graceMs: 500,
  };
  const source = grpcSource();
  const { name, version, bytes } = assignment('a', 1);
  const keeper = new LastGoodKeeper({
    ...parts,
    config,
    identity: { nodeId: 'n', nodeCluster: 'c', controlPlane: '[]' },
    collect: () => [{ kind: 'endpoint', source: source.key, name, version, updatedAtMs: 1, bytes }],
  });
  await keeper.load();
  keeper.changed();
  await keeper.close();

  const bootstrap = {
    lastGood: config,
    node: { id: 'n', cluster: 'c' },
    dynamicResources: { ads: null },
  };
  // All of a bootstrap that it looks at.
  const lastGood = await LastGood.open({
    ...parts,
    bootstrap: bootstrap as unknown as BootstrapConfig,
    membership: null,
  });
  assert.ok(lastGood !== null);
  const restored: string[] = [];
  const owner: SourceOwner = {
    receive: ({ resources }) => {
      restored.push(...resources.map((one) => one.name));
      return null;
    },
    settle: () => {},
    knownVersions: () => new Map(),
    onRequest: () => {},
    onFailure: () => {},
  };
  const silent: ResourceSource = {
    start: () => {},
    stop: () => {},
    subscribeToAll: () => {},
    unsubscribeFromAll: () => {},
    changeNames: () => {},
  };
  const open = lastGood.around(() => silent);
  const opened = () => {
    const one = open(source, owner, () => new ControlPlaneStats());
    one.start();
    one.changeNames('endpoint', ['a'], []);
    timers.advance(1000);
    one.stop();
  };
  opened();
  assert.deepEqual(restored, ['a']);
  opened();
  assert.deepEqual(restored, ['a']);
});
