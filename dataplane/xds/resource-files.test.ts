import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { resourceFiles } from './resource-files.ts';

test('what cannot be looked at has no identity; a watch that asks for it does not end the process', (t) => {
  const base = mkdtempSync(join(tmpdir(), 'resource-files-'));
  t.after(() => rmSync(base, { recursive: true }));
  symlinkSync('cds.json', join(base, 'cds.json'));
  assert.equal(resourceFiles.identity(join(base, 'cds.json')), null);
  assert.equal(resourceFiles.identity(join(base, 'absent.json')), null);
  writeFileSync(join(base, 'there.json'), '{}');
  assert.notEqual(resourceFiles.identity(join(base, 'there.json')), null);
  assert.equal(resourceFiles.identity(join(base, 'there.json', 'below')), null);
});
