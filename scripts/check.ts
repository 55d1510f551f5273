// `npm run check`: everything that must hold before a commit, each step timed, all steps run even if
// one fails, so that one run shows all there is to mend.

import { spawnSync } from 'node:child_process';

const steps: readonly (readonly [string, string])[] = [
  ['protos', 'node proto/build.ts --if-missing'],
  ['types', 'tsc -p tsconfig.json'],
  ['format and lint', 'biome check --error-on-warnings .'],
  ['layers', 'node scripts/layers.ts'],
  ['dead exports', 'knip'],
  ['docs/support.md is current', 'node scripts/support-doc.ts --check'],
  ['unit tests', 'node scripts/test.ts unit'],
];

const failed: string[] = [];
for (const [name, command] of steps) {
  const startMs = performance.now();
  const result = spawnSync(command, { shell: true, stdio: 'inherit' });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const passed = result.status === 0;
  if (!passed) failed.push(name);
  console.log(`${passed ? 'ok  ' : 'FAIL'} ${name} (${seconds} s)`);
}
if (failed.length > 0) {
  console.error(`check: failed: ${failed.join(', ')}`);
  process.exit(1);
}
