import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultOutlierDetection } from '../../../test/fakes/cluster-config.ts';
import { compileYaml, configInputs } from '../../../test/fakes/config.ts';
import type { ClusterConfig } from '../../api/config/cluster.ts';
import { loadBootstrap } from '../../config/load-bootstrap.ts';
import { currentOutlierConfig, currentOutlierNumber } from './current-config.ts';

const cluster = (layers: string): string =>
  `{layered_runtime: {layers: [${layers}]}, static_resources: {clusters: [{name: a, outlier_detection: {consecutive_5xx: 7}}]}}`;

test('numbers that runtime cannot change are what they are', () => {
  const compiled = compileYaml('cluster', '{name: a, outlier_detection: {}}');
  assert.ok(compiled.ok);
  const { outlierDetection } = compiled.value.data as ClusterConfig; // of that kind
  assert.deepEqual(outlierDetection, defaultOutlierDetection);
  assert.equal(currentOutlierConfig(outlierDetection!), outlierDetection);
});

test('runtime changes what the config says, and gives it back', () => {
  const inputs = configInputs();
  const loaded = loadBootstrap({ ...inputs, yaml: cluster('{name: adm, admin_layer: {}}') });
  assert.ok(loaded.ok);
  const config = loaded.value.clusters[0]?.outlierDetection;
  assert.ok(config);
  assert.equal(currentOutlierNumber(config, 'consecutive5xx'), 7);
  inputs.runtime.modify([
    ['outlier_detection.consecutive_5xx', '2'],
    ['outlier_detection.interval_ms', '500'],
  ]);
  assert.equal(currentOutlierNumber(config, 'consecutive5xx'), 2);
  const { consecutive5xx, intervalMs, live } = currentOutlierConfig(config);
  assert.deepEqual([consecutive5xx, intervalMs, live], [2, 500, undefined]);
  inputs.runtime.modify([['outlier_detection.consecutive_5xx', '']]);
  assert.equal(currentOutlierNumber(config, 'consecutive5xx'), 7);
});

test('static layers are constants', () => {
  const inputs = configInputs();
  const layer = '{name: s, static_layer: {outlier_detection.consecutive_5xx: 3}}';
  const loaded = loadBootstrap({ ...inputs, yaml: cluster(layer) });
  assert.ok(loaded.ok);
  const config = loaded.value.clusters[0]?.outlierDetection;
  assert.deepEqual([config?.consecutive5xx, config?.live], [3, undefined]);
});
