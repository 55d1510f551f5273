import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { silentLogger } from '../../../common/logger.ts';
import { FakeTimers } from '../../../test/fakes/timers.ts';
import { until } from '../../../test/fakes/until.ts';
import type { LastGoodConfig } from '../../api/config/bootstrap.ts';
import { HolderStore } from '../../stats/store.ts';
import { LastGoodKeeper, type LastGoodOptions } from './keeper.ts';
import type { SavedResource } from './snapshot.ts';

const identity = { nodeId: 'n', nodeCluster: 'c', controlPlane: 'p' };
const cluster = (name: string, bytes = Buffer.of(1)): SavedResource => ({
  kind: 'cluster',
  source: 'ads',
  name,
  version: '1',
  updatedAtMs: 5,
  bytes,
});

describe('the keeper of last good resources', () => {
  let folder: string;
  let timers: FakeTimers;
  let held: readonly SavedResource[] | null;
  let stats: HolderStore;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'remora-keeper-'));
    timers = new FakeTimers();
    stats = new HolderStore();
    held = [];
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const keeper = (config: Partial<LastGoodConfig> = {}, options: Partial<LastGoodOptions> = {}) => {
    stats = new HolderStore();
    return new LastGoodKeeper({
      config: {
        stateDirectory: join(folder, 'state'),
        holdoffMs: 1000,
        maxBytes: 4096,
        maxAgeMs: 60_000,
        graceMs: 500,
        ...config,
      },
      identity,
      clock: timers.clock,
      timers,
      logger: silentLogger(),
      stats,
      collect: () => held,
      ...options,
    });
  };
  const stat = (name: string): number => {
    let found = Number.NaN;
    stats.collect({
      value: (scope, of, _kind, value) => {
        if (`${scope.prefix}.${of}` === `last_good.${name}`) found = value;
      },
      text: () => {},
      tagged: () => {},
      histogram: () => {},
    });
    return found;
  };
  const file = () => {
    const state = join(folder, 'state');
    const [name] = readdirSync(state).filter((entry) => entry.startsWith('xds-'));
    assert.ok(name !== undefined);
    return join(state, name);
  };
  /** A file with one cluster in it. */
  const save = async (config: Partial<LastGoodConfig> = {}) => {
    const first = keeper(config);
    await first.load();
    held = [cluster('a')];
    first.changed();
    await first.close();
  };

  it('gives back what it wrote when it was closed', async () => {
    await save();
    const next = keeper();
    assert.deepEqual(await next.load(), [cluster('a')]);
    assert.equal(stat('loaded'), 1);
    assert.ok(stat('bytes') > 0);
  });

  it('has nothing on its first start, which is no failure', async () => {
    assert.deepEqual(await keeper().load(), []);
    assert.equal(stat('load_rejected'), 0);
  });

  it('writes many changes once, a holdoff after the first of them', async () => {
    const under = keeper();
    await under.load();
    for (let i = 0; i < 100; i++) {
      held = [cluster(`c${i}`)];
      under.changed();
      timers.advance(9);
    }
    assert.equal(stat('written'), 0);
    timers.advance(100);
    await until('it is written', () => stat('written') === 1);
    assert.equal(timers.armedCount(), 0);
    await under.close();
    assert.equal(stat('written'), 1, 'nothing was left to write');
    assert.deepEqual((await keeper().load())[0]?.name, 'c99');
  });

  it('writes again what changed while it wrote', async () => {
    const under = keeper();
    await under.load();
    held = [cluster('a')];
    under.changed();
    timers.advance(1000);
    held = [cluster('b')];
    under.changed();
    await until('the first write has ended', () => timers.armedCount() === 1);
    assert.equal(stat('written'), 1);
    timers.advance(1000);
    await until('it is written again', () => stat('written') === 2);
    assert.equal((await keeper().load())[0]?.name, 'b');
  });

  it('leaves what is on disk while the new state is not complete', async () => {
    await save();
    const next = keeper();
    await next.load();
    held = null;
    next.changed();
    await next.close();
    assert.equal(stat('written'), 0);
    assert.deepEqual(await keeper().load(), [cluster('a')]);
  });

  it('writes nothing above max_bytes, and keeps what was there', async () => {
    await save();
    const next = keeper();
    await next.load();
    held = [cluster('b', Buffer.alloc(4096))];
    next.changed();
    await next.close();
    assert.equal(stat('too_large'), 1);
    assert.deepEqual(await keeper().load(), [cluster('a')]);
  });

  it('ignores and counts a broken file', async () => {
    await save();
    writeFileSync(file(), readFileSync(file()).subarray(0, 100));
    assert.deepEqual(await keeper().load(), []);
    assert.equal(stat('load_rejected'), 1);
  });

  it('ignores a file of another control plane', async () => {
    await save();
    const other = keeper({}, { identity: { ...identity, controlPlane: 'q' } });
    assert.deepEqual(await other.load(), []);
    assert.equal(stat('load_rejected'), 1);
  });

  it('does not see the file of another node in the same directory', async () => {
    await save();
    const other = keeper({}, { identity: { ...identity, nodeId: 'm' } });
    assert.deepEqual(await other.load(), []);
    assert.equal(stat('load_rejected'), 0);
  });

  it('ignores a file that is too old, and takes it until then', async () => {
    await save();
    timers.advance(60_000);
    assert.equal((await keeper().load()).length, 1);
    timers.advance(1);
    assert.deepEqual(await keeper().load(), []);
    assert.equal(stat('load_rejected'), 1);
  });

  it('goes on without a directory that cannot be used', async () => {
    writeFileSync(join(folder, 'file'), '');
    const under = keeper({ stateDirectory: join(folder, 'file', 'x') });
    assert.deepEqual(await under.load(), []);
    under.changed();
    await under.close();
    assert.equal(stat('write_failure'), 1);
  });

  it('counts a write that fails, and tries again with the next change', async () => {
    const under = keeper();
    await under.load();
    rmSync(join(folder, 'state'), { recursive: true });
    under.changed();
    timers.advance(1000);
    await until('it has failed', () => stat('write_failure') === 1);
    under.changed();
    assert.equal(timers.armedCount(), 1);
    await under.close();
    assert.equal(stat('write_failure'), 2);
  });
});
