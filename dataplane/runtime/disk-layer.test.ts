import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isDirectory } from './disk-layer.ts';

test('a link to itself is no directory; a watch that looks at it does not end the process', (t) => {
  const base = mkdtempSync(join(tmpdir(), 'runtime-'));
  t.after(() => rmSync(base, { recursive: true }));
  symlinkSync('current', join(base, 'current'));
  assert.equal(isDirectory(join(base, 'current')), false);
  assert.equal(isDirectory(join(base, 'absent')), false);
  assert.equal(isDirectory(base), true);
});
