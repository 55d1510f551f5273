import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { SealedDirectory } from '../../common/sealed-file.ts';
import { type Membership, membershipFiles } from './membership-file.ts';

const membership: Membership = {
  nodeId: 'default/orders.1',
  trustDomain: 'a.test',
  root: '-----BEGIN CERTIFICATE-----',
  keepaliveMs: 5000,
};

describe('a membership on disk', () => {
  let folder: string;
  let state: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'remora-membership-'));
    state = join(folder, 'state');
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const store = (directory = state) => membershipFiles(directory, silentLogger());

  it('is that of the instance that wrote it', async () => {
    await store().save('1', membership);
    assert.deepEqual(await store().load('1'), membership);
    assert.equal(await store().load('2'), null);
  });

  it('is none when its file is broken', async () => {
    await store().save('1', membership);
    const [name] = readdirSync(state).filter((entry) => entry !== 'key');
    writeFileSync(join(state, name ?? ''), 'nonsense');
    assert.equal(await store().load('1'), null);
  });

  it('is none when another release wrote it, or nonsense', async () => {
    const directory = await SealedDirectory.open(state, () => {});
    const contents = [{ ...membership, version: 2 }, { ...membership, version: 1, root: 1 }, null];
    for (const content of contents) {
      await directory.write('membership-1', Buffer.from(JSON.stringify(content)));
      assert.equal(await store().load('1'), null);
    }
    await directory.write('membership-1', Buffer.from('{'));
    assert.equal(await store().load('1'), null);
  });

  it('is not kept where nothing can be kept, which harms nobody', async () => {
    writeFileSync(join(folder, 'file'), '');
    const nowhere = store(join(folder, 'file', 'x'));
    await nowhere.save('1', membership);
    assert.equal(await nowhere.load('1'), null);
  });
});
