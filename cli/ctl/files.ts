// `-f`: the files of `apply` and `delete`.

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError, errorText } from '../../common/coded-error.ts';
import { readText } from './options.ts';

export interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** Every .yaml, .yml and .json of a directory (not below it), a file, or `-` for stdin. */
export function readSources(paths: readonly string[]): NamedText[] {
  const files = paths.flatMap((path) => (path === '-' ? ['-'] : filesAt(path)));
  return files.map((file) => ({ name: file === '-' ? 'stdin' : file, text: readText(file) }));
}

function filesAt(path: string): string[] {
  let found: string[];
  try {
    if (!statSync(path).isDirectory()) return [path];
    found = readdirSync(path).filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name));
  } catch (thrown) {
    throw new CodedError('unreadable', `${path} cannot be read: ${errorText(thrown)}`, {
      cause: thrown,
    });
  }
  if (found.length === 0) {
    throw new CodedError('no-documents', `${path} has no .yaml, .yml or .json files`);
  }
  return found.sort().map((name) => join(path, name));
}
