import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { type FileSnapshot, FileSource, readMeshFiles } from './files.ts';

const service = (name: string) =>
  `apiVersion: remora.dev/v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {ports: [{port: 80}]}\n`;

describe('mesh files', () => {
  let directory: string;
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text);

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'remora-files-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('reads yaml, yml and json of a directory in order of their names, nothing hidden', () => {
    write('b.yml', service('b'));
    write('a.yaml', service('a'));
    write('c.json', JSON.stringify({ apiVersion: 'x' }));
    write('.d.yaml', service('hidden'));
    write('notes.txt', 'no yaml');
    const { objects, problems } = readMeshFiles(directory);
    assert.deepEqual(
      objects.map(({ object }) => object.metadata.name),
      ['a', 'b'],
    );
    assert.equal(problems.length, 1);
    assert.equal(problems[0]?.file, join(directory, 'c.json'));
  });

  it('calls a missing path and an empty directory problems, so that the last good state stays', () => {
    assert.match(
      readMeshFiles(join(directory, 'no')).problems[0]?.message ?? '',
      /cannot be read: ENOENT/,
    );
    assert.match(readMeshFiles(directory).problems[0]?.message ?? '', /no mesh documents/);
  });

  it('tells of a change once, at the latest with the regular re-reading', () => {
    write('a.yaml', service('a'));
    const timers = new FakeTimers();
    const seen: FileSnapshot[] = [];
    const source = new FileSource(
      {
        path: directory,
        timers,
        logger: silentLogger(),
        onChange: (snapshot) => seen.push(snapshot),
      },
      readMeshFiles(directory),
    );
    timers.advance(20_000);
    assert.equal(seen.length, 0, 'nothing changed');
    write('a.yaml', service('b'));
    timers.advance(5_000);
    timers.advance(5_000);
    assert.equal(seen.length, 1);
    assert.equal(seen[0]?.objects[0]?.object.metadata.name, 'b');
    source[Symbol.dispose]();
    assert.equal(timers.armedCount(), 0);
  });
});
