// The files of a disk layer: each is a value, its path below the layer's directory is the key. Read at once, in the main
// thread, whenever the layer is loaded; runtime.ts watches.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RuntimeEntry, RuntimeValues } from '../api/runtime.ts';
import { entryOfText } from './entry.ts';

/** Envoy: DiskLayer::MaxWalkDepth. */
const MAX_DEPTH = 16;

/** Of whatever cannot be looked at (a link to itself) too. Never throws. */
export function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Throws when something in it cannot be read, or lies too deep. */
export function readDiskLayer(path: string): RuntimeValues {
  const values = new Map<string, RuntimeEntry>();
  walkDirectory(path, '', 1, values);
  return values;
}

function walkDirectory(
  path: string,
  prefix: string,
  depth: number,
  values: Map<string, RuntimeEntry>,
): void {
  if (depth > MAX_DEPTH) throw new Error(`Walk recursion depth exceeded ${MAX_DEPTH}`);
  for (const name of readdirSync(path)) {
    const at = join(path, name);
    const stat = statSync(at);
    const key = prefix === '' ? name : `${prefix}.${name}`;
    if (stat.isDirectory()) walkDirectory(at, key, depth + 1, values);
    else if (stat.isFile()) values.set(key, entryOfText(withoutComments(readFileSync(at, 'utf8'))));
  }
}

/** Lines that begin with '#' say nothing: a file of nothing else is a place holder. */
function withoutComments(text: string): string {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .join('\n');
}
