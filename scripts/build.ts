// Builds the product: generated protos, then dist/ by tsc, then the data files beside it.
// Run by npm's `prepare`; whatever Node runs `npm ci`, scripts get the pinned one through .bin.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function run(command: string, args: readonly string[]): void {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

run(process.execPath, ['proto/build.ts', '--if-missing']);
rmSync(join(root, 'dist'), { recursive: true, force: true });
const tsc = join(root, 'node_modules/.bin/tsc');
run(tsc, ['-p', 'tsconfig.build.json']);
// Types of what package.json exports, with their comments.
run(tsc, ['-p', 'tsconfig.types.json']);

/** Files that code reads at run time, relative to the module that reads them. */
const dataFiles = ['proto/gen', 'proto/remora', 'examples/shop/pricing.proto'];
for (const file of dataFiles) {
  const from = join(root, file);
  if (!existsSync(from)) continue;
  cpSync(from, join(root, 'dist', file), {
    recursive: true,
    filter: (path) => !path.endsWith('.ts'),
  });
}
