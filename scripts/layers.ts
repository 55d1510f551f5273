// Checks who may import whom (.dependency-cruiser.mjs). Asserts the module count too: with a
// TypeScript that dependency-cruiser cannot use it would find 0 modules and call that clean.

import { spawnSync } from 'node:child_process';

const rooms = [
  'common',
  'proto',
  'dataplane',
  'controlplane',
  'cli',
  'test',
  'bench',
  'scripts',
  'examples',
];
const result = spawnSync(
  'depcruise',
  ['--config', '.dependency-cruiser.mjs', '--output-type', 'json', ...rooms],
  { encoding: 'utf8', maxBuffer: 512 * 1024 * 1024 },
);
if (result.error !== undefined || result.stdout === '') {
  console.error(`layers: dependency-cruiser did not run: ${result.stderr}`);
  process.exit(1);
}

interface Summary {
  readonly summary: {
    readonly totalCruised: number;
    readonly violations: readonly {
      readonly from: string;
      readonly to: string;
      readonly rule: { readonly name: string; readonly severity: string };
    }[];
  };
}
// The tool's own JSON output.
const { summary } = JSON.parse(result.stdout) as Summary;
const MODULES_AT_LEAST = 50;
if (summary.totalCruised < MODULES_AT_LEAST) {
  console.error(`layers: only ${summary.totalCruised} modules seen; the check would be empty`);
  process.exit(1);
}
for (const violation of summary.violations) {
  console.error(`layers: ${violation.rule.name}: ${violation.from} -> ${violation.to}`);
}
console.log(`layers: ${summary.totalCruised} modules, ${summary.violations.length} violations`);
process.exit(summary.violations.length === 0 ? 0 : 1);
