import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildGraph } from '../graph/builder.ts';
import { readDocuments } from '../model/documents.ts';
import { checkMesh } from '../model/semantics.ts';
import { translateEndpoints } from './endpoint.ts';

const workload = (name: string, labels: string) => `---
apiVersion: remora.dev/v1
kind: Workload
metadata: {name: ${name}, labels: {${labels}}}
spec: {service: orders, address: 10.0.0.${name.length}, inboundPort: 15006, appPort: 9000}
`;
const place = (region: string, zone: string) =>
  `topology.kubernetes.io/region: ${region}, topology.kubernetes.io/zone: ${zone}`;

const mesh = `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: orders}
spec: {ports: [{port: 80}]}
${workload('a', place('eu', 'eu-1'))}${workload('bb', place('eu', 'eu-2'))}${workload('ccc', place('us', 'us-1'))}`;

const ignoring = `---
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: orders}
spec: {targetRef: {kind: Service, name: orders}, loadBalancing: {locality: IGNORE}}
`;

/** `zone=priority` of each locality as a caller in `region` and `zone` gets them. */
function seenFrom(region: string, zone: string, text = mesh): string[] {
  const { objects, problems } = readDocuments(text, 'mesh.yaml');
  assert.deepEqual([...problems, ...checkMesh(objects)], []);
  const graph = buildGraph(
    objects.map(({ object }) => object),
    [],
  );
  const [assignment] = translateEndpoints(graph.services[0]!, { region, zone, subZone: '' });
  return (assignment?.endpoints ?? []).map((of) => `${of.locality?.zone}=${of.priority ?? 0}`);
}

test('the nearest instances come first: zone, then region, then the rest', () => {
  assert.deepEqual(seenFrom('eu', 'eu-1'), ['eu-1=0', 'eu-2=1', 'us-1=2']);
  assert.deepEqual(seenFrom('us', 'us-1'), ['eu-1=1', 'eu-2=1', 'us-1=0']);
});

test('priorities have no gaps, wherever the caller is', () => {
  assert.deepEqual(seenFrom('eu', 'eu-9'), ['eu-1=0', 'eu-2=0', 'us-1=1']);
  assert.deepEqual(seenFrom('ap', 'ap-1'), ['eu-1=0', 'eu-2=0', 'us-1=0']);
});

test('a caller of whom nothing is said, and a policy that ignores it, have all alike', () => {
  assert.deepEqual(seenFrom('', ''), ['eu-1=0', 'eu-2=0', 'us-1=0']);
  assert.deepEqual(seenFrom('eu', 'eu-1', mesh + ignoring), ['eu-1=0', 'eu-2=0', 'us-1=0']);
});
