import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { SEAL_BYTES, SealedDirectory } from './sealed-file.ts';

const content = Buffer.from('-----BEGIN PRIVATE KEY-----');

describe('a directory of sealed files', () => {
  let folder: string;
  let state: string;
  const replaced: string[] = [];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'remora-sealed-'));
    state = join(folder, 'state');
    replaced.length = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const openState = () => SealedDirectory.open(state, (reason) => replaced.push(reason));
  const reasonOf = async (name: string, maxBytes = 1000): Promise<string> => {
    const read = await (await openState()).read(name, maxBytes);
    assert.ok(!read.ok);
    return read.errors === 'absent' ? 'absent' : read.errors.reason;
  };

  it('gives back what was written, to a later process too', async () => {
    await (await openState()).write('a', content);
    const read = await (await openState()).read('a', content.length);
    assert.deepEqual(read, { ok: true, value: content });
    assert.deepEqual(replaced, []);
  });

  it('keeps all from other users and does not show what it holds', async () => {
    await (await openState()).write('a', content);
    assert.equal(statSync(state).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(state).sort(), ['a', 'key']);
    for (const name of ['a', 'key']) assert.equal(statSync(join(state, name)).mode & 0o777, 0o600);
    assert.equal(readFileSync(join(state, 'a')).includes('PRIVATE'), false);
  });

  it('says that there is no file', async () => {
    assert.equal(await reasonOf('a'), 'absent');
  });

  it('finds every changed byte and every cut', async () => {
    await (await openState()).write('a', content);
    const file = join(state, 'a');
    const whole = readFileSync(file);
    for (let at = 0; at < whole.length; at++) {
      const broken = Buffer.from(whole);
      broken[at] = broken[at]! ^ 1; // within bounds
      writeFileSync(file, broken);
      assert.match(await reasonOf('a'), /no file of ours|format|checksum/, `byte ${at}`);
    }
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(file, whole.subarray(0, length));
      assert.match(await reasonOf('a'), /cut off|checksum/, `cut to ${length}`);
    }
    writeFileSync(file, whole);
    assert.ok((await (await openState()).read('a', 1000)).ok);
  });

  it('does not take one file for another', async () => {
    await (await openState()).write('a', content);
    writeFileSync(join(state, 'b'), readFileSync(join(state, 'a')), { mode: 0o600 });
    assert.match(await reasonOf('b'), /another purpose/);
  });

  it('does not take a file of another key', async () => {
    await (await openState()).write('a', content);
    const other = await SealedDirectory.open(join(folder, 'other'), () => {});
    writeFileSync(join(other.path, 'a'), readFileSync(join(state, 'a')), { mode: 0o600 });
    const read = await other.read('a', 1000);
    assert.ok(!read.ok && read.errors !== 'absent');
    assert.match(read.errors.reason, /another key/);
  });

  it('reads a file up to the limit and not one byte more', async () => {
    await (await openState()).write('a', content);
    assert.equal(statSync(join(state, 'a')).size, content.length + SEAL_BYTES);
    assert.match(await reasonOf('a', content.length - 1), /are allowed/);
  });

  it('replaces a key that others may read, and says so', async () => {
    await (await openState()).write('a', content);
    chmodSync(join(state, 'key'), 0o640);
    assert.match(await reasonOf('a'), /another key/);
    assert.match(replaced.join(), /others may use it/);
  });

  it('replaces a key that is none', async () => {
    await openState();
    writeFileSync(join(state, 'key'), 'short');
    await openState();
    assert.match(replaced.join(), /32 bytes/);
    assert.equal(statSync(join(state, 'key')).size, 32);
  });

  it('has one key, however many processes make it at once', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, openState));
    await all[0]!.write('a', content); // there are eight
    for (const each of all) assert.ok((await each.read('a', 1000)).ok);
    assert.deepEqual(readdirSync(state).sort(), ['a', 'key']);
  });

  it('is not there where it cannot be made', async () => {
    writeFileSync(join(folder, 'file'), '');
    await assert.rejects(
      SealedDirectory.open(join(folder, 'file', 'state'), () => {}),
      /ENOTDIR/,
    );
  });
});
