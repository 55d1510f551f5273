import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { errorText } from '../../common/coded-error.ts';
import { binomialInterval } from './binomial.ts';
import { readUpSpec } from './spec.ts';

function errorsOf(text: string): string[] {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-up-test-'));
  try {
    writeFileSync(join(directory, 'up.yaml'), text);
    readUpSpec(directory);
    return [];
  } catch (thrown) {
    return errorText(thrown)
      .split('\n')
      .map((line) => line.slice(line.indexOf('up.yaml')));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const good = `controlPlane: { config: mesh, xdsPort: 18000, restPort: 18080 }
instances:
  - { name: a-1, service: a, app: 1, inbound: 2, outbound: 3, admin: 4 }
application: [node, a.ts]
`;

test('the shop’s own file is good', () => {
  const spec = readUpSpec('examples/shop');
  assert.equal(spec.instances.length, 8);
  assert.equal(spec.traffic?.to.name, 'frontend-1');
});

test('a minimal file is good', () => {
  assert.deepEqual(errorsOf(good), []);
});

test('every error is told at once, with line and column', () => {
  const text = good.replace('xdsPort: 18000', 'xdsPort: 0').replace('app: 1', 'application: 1');
  assert.deepEqual(errorsOf(`${text}colour: red\n`), [
    'up.yaml:5:9 colour: unknown field (known: controlPlane, instances, application, traffic, check)',
    'up.yaml:3:43 instances[0].application: unknown field (known: name, service, version, app, inbound, outbound, admin)',
    'up.yaml:3:5 instances[0].app: expected a port, 1 to 65535',
    'up.yaml:1:40 controlPlane.xdsPort: expected a port, 1 to 65535',
  ]);
});

test('YAML that does not parse is told with its place', () => {
  assert.match(errorsOf('instances: [\n')[0] ?? '', /^up\.yaml:\d+:\d+ /);
});

test('traffic to an instance that is not there', () => {
  assert.deepEqual(errorsOf(`${good}traffic: { to: b-1, path: /, requestsPerSecond: 1 }\n`), [
    "up.yaml:5:16 traffic.to: no instance is called 'b-1'",
  ]);
});

test('the 99.9 % interval holds the mean and is exact at the edges', () => {
  assert.deepEqual(binomialInterval(1000, 0), { low: 0, high: 0 });
  assert.deepEqual(binomialInterval(1000, 1), { low: 1000, high: 1000 });
  const { low, high } = binomialInterval(1000, 0.1);
  assert.ok(low > 65 && low < 70 && high > 130 && high < 135, `${low} ${high}`);
});
