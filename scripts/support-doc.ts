// Writes docs/support.md from the table in dataplane/config/support; with --check it only says whether
// the file is up to date (exit code 1 when it is not).

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { FactoryRegistry } from '../dataplane/config/registry.ts';
import { supportDocument } from '../dataplane/config/support-doc.ts';
import { builtInExtensions } from '../dataplane/server/extensions.ts';

const file = new URL('../docs/support.md', import.meta.url);
const text = supportDocument(new FactoryRegistry(builtInExtensions).all());

function current(): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // not written yet
  }
}

if (!process.argv.includes('--check')) {
  mkdirSync(new URL('.', file), { recursive: true });
  writeFileSync(file, text);
} else if (current() !== text) {
  console.error('docs/support.md is stale: run node scripts/support-doc.ts');
  process.exitCode = 1;
}
