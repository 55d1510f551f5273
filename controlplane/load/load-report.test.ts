import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildGraph } from '../graph/builder.ts';
import { readDocuments } from '../model/documents.ts';
import { loadsByService } from './load-report.ts';

const text = `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: a}
spec: {ports: [{port: 80}], versions: [{name: v1}, {name: v2}]}
---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: b}
spec: {ports: [{port: 81}]}
`;
const graph = buildGraph(
  readDocuments(text, 'f').objects.map(({ object }) => object),
  [],
);
const load = (cluster: string) => ({ cluster, droppedPerSecond: 1, localities: [] });

describe('the load of Services', () => {
  it('lists every Service, the versions that are called, and what is no Service of ours', () => {
    const loads = ['outbound|80|v1|a.default', 'outbound|81||b.default', 'elsewhere'].map(load);
    assert.deepEqual(
      loadsByService(graph, { loads: () => loads }).map(
        ({ service, version, cluster, droppedPerSecond }) =>
          `${service} ${version} ${cluster} ${droppedPerSecond}`,
      ),
      [
        'a.default null outbound|80||a.default 0',
        'a.default v1 outbound|80|v1|a.default 1',
        'b.default null outbound|81||b.default 1',
        ' null elsewhere 1',
      ],
    );
  });

  it('lists what is reported while there is no mesh yet', () => {
    const loads = loadsByService(null, { loads: () => [load('x')] });
    assert.deepEqual(loads, [{ service: '', version: null, ...load('x') }]);
  });
});
