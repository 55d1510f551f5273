// Runs node's test runner over one suite. `unit` = tests beside their files, `integration` =
// test/integration, `interop` = test/interop (real peers); no argument = unit and integration.

import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';

const suites: Readonly<Record<string, readonly string[]>> = {
  unit: ['{common,proto,dataplane,controlplane,cli,scripts,examples}/**/*.test.ts'],
  integration: [
    'test/integration/**/*.test.ts',
    'test/conformance/**/*.test.ts',
    'test/{fuzz,garden,hostile}/**/*.test.ts',
  ],
  interop: ['test/interop/**/*.test.ts'],
};

const [suite, ...rest] = process.argv.slice(2);
const chosen = suite === undefined ? ['unit', 'integration'] : [suite];
const files = chosen.flatMap((name) => {
  const patterns = suites[name];
  if (patterns === undefined) {
    console.error(`test: no suite '${name}'; there are: ${Object.keys(suites).join(', ')}`);
    process.exit(2);
  }
  return patterns.flatMap((pattern) => globSync(pattern));
});
if (files.length === 0) {
  console.error(`test: no test files in ${chosen.join(', ')}`);
  process.exit(1);
}
// Interop tests share ports of real peers and the two cores: one file at a time.
const concurrency = suite === 'interop' ? ['--test-concurrency=1'] : [];
const result = spawnSync(
  process.execPath,
  [
    '--import=./test/poison-slabs.ts',
    '--test',
    '--test-timeout=240000',
    '--test-reporter=spec',
    ...concurrency,
    ...rest,
    ...files.sort(),
  ],
  { stdio: 'inherit' },
);
process.exit(result.status ?? 1);
