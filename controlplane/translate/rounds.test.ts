// From round to round: what did not change is the same object, so that nothing is encoded, hashed or sent for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildGraph } from '../graph/builder.ts';
import { GraphHistory } from '../graph/history.ts';
import { readDocuments } from '../model/documents.ts';
import { type NodeResources, Translator } from './translate.ts';

const certificate = { certificateChainPem: 'C', privateKeyPem: 'K', rootsPem: 'R' };
const kinds = ['cluster', 'endpoint', 'listener', 'route', 'secret'] as const;

interface Mesh {
  readonly weight?: number;
  readonly address?: string;
  readonly ordersTimeout?: string;
  readonly mode?: string;
  readonly hasStock?: boolean;
}

const service = (name: string, more: string) => `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{port: 80}]${more}}
---
`;
const workload = (name: string, address: string) => `
apiVersion: remora.dev/v1
kind: Workload
metadata: {name: ${name}-1}
spec: {service: ${name}, address: ${address}, inboundPort: 15006, appPort: 8080}
---
`;

/** web depends on orders, shop on nothing; orders' route may lead to stock. */
function documents({ weight, address, ordersTimeout, mode, hasStock = true }: Mesh): string {
  const backends = weight === undefined ? '' : `, {name: stock, weight: ${weight}}`;
  return [
    mode === undefined
      ? ''
      : `apiVersion: remora.dev/v1\nkind: MeshConfig\nmetadata: {name: mesh}\nspec: {mtls: {mode: ${mode}}}\n---\n`,
    service('web', ', dependsOn: [{name: orders}]'),
    service('orders', ', dependsOn: []'),
    hasStock ? service('stock', ', dependsOn: []') : '',
    service('shop', ', dependsOn: []'),
    workload('web', '10.0.0.1'),
    workload('orders', address ?? '10.0.0.2'),
    workload('shop', '10.0.0.4'),
    weight === undefined
      ? ''
      : `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders}
spec:
  parentRefs: [{kind: Service, name: orders}]
  rules: [{backendRefs: [{name: orders, weight: 10}${backends}]}]
---
`,
    ordersTimeout === undefined
      ? ''
      : `
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: orders}
spec: {targetRef: {kind: Service, name: orders}, timeouts: {request: ${ordersTimeout}}}
---
`,
  ].join('');
}

/** One translator over several states of a mesh. */
function rounds(...meshes: readonly Mesh[]): ((nodeId: string) => NodeResources)[] {
  const history = new GraphHistory();
  const translator = new Translator(history);
  return meshes.map((mesh) => {
    const { objects, problems } = readDocuments(documents(mesh), 'mesh.yaml');
    assert.deepEqual(problems, []);
    const all = objects.map(({ object }) => object);
    const graph = history.succeed(buildGraph(all, []));
    translator.begin(graph);
    const resources = new Map(
      [...graph.proxies].map(([id, proxy]) => [id, translator.resourcesOf(proxy, certificate)]),
    );
    return (nodeId) => {
      const found = resources.get(`default/${nodeId}`);
      assert.ok(found !== undefined, nodeId);
      return found;
    };
  });
}

/** Kinds whose map is another one. */
function changed(before: NodeResources, after: NodeResources): string[] {
  return kinds.filter((kind) => before[kind] !== after[kind]);
}

test('the same mesh, read again, changes nothing', () => {
  const mesh = { weight: 5, ordersTimeout: '3s' };
  const [first, second] = rounds(mesh, mesh);
  for (const node of ['web-1', 'orders-1', 'shop-1']) {
    assert.deepEqual(changed(first!(node), second!(node)), [], node);
  }
});

test('an endpoint that moves changes endpoints alone, and of those alone that see it', () => {
  const [first, second] = rounds({}, { address: '10.9.9.9' });
  assert.deepEqual(changed(first!('web-1'), second!('web-1')), ['endpoint']);
  assert.deepEqual(changed(first!('orders-1'), second!('orders-1')), ['endpoint']);
  assert.deepEqual(changed(first!('shop-1'), second!('shop-1')), []);
  const name = 'outbound|80||web.default';
  const kept = first!('web-1').endpoint.get(name);
  assert.equal(second!('web-1').endpoint.get(name), kept, 'the other assignments are the same');
  const moved = JSON.stringify([...second!('web-1').endpoint.values()]);
  assert.match(moved, /10\.9\.9\.9/);
  assert.doesNotMatch(moved, /10\.0\.0\.2/);
});

test('a weight changes the routes of those that see it', () => {
  const [first, second] = rounds({ weight: 5 }, { weight: 6 });
  assert.ok(changed(first!('web-1'), second!('web-1')).includes('route'));
  assert.deepEqual(changed(first!('shop-1'), second!('shop-1')), []);
  assert.match(JSON.stringify([...second!('web-1').route.values()]), /"value":6/);
});

test('a policy changes those that see it', () => {
  const [first, second, third] = rounds({}, { ordersTimeout: '3s' }, {});
  assert.ok(changed(first!('web-1'), second!('web-1')).includes('route'));
  assert.deepEqual(changed(first!('shop-1'), second!('shop-1')), []);
  assert.deepEqual(third!('web-1').route, first!('web-1').route, 'and back');
});

test('a setting of the mesh reaches everybody', () => {
  const [first, second] = rounds({ mode: 'STRICT' }, { mode: 'PERMISSIVE' });
  for (const node of ['web-1', 'orders-1', 'shop-1']) {
    assert.ok(changed(first!(node), second!(node)).includes('listener'), node);
  }
});

test('a service that goes is gone from all that saw it, and comes back', () => {
  const [first, second, third] = rounds({ weight: 5 }, { hasStock: false }, { weight: 5 });
  const stock = 'outbound|80||stock.default';
  assert.ok(first!('web-1').cluster.has(stock));
  assert.ok(!second!('web-1').cluster.has(stock));
  assert.ok(third!('web-1').cluster.has(stock));
});

test('rounds end where a new translator would', () => {
  const states: Mesh[] = [
    { weight: 1 },
    { weight: 1, address: '10.1.1.1' },
    { weight: 2, address: '10.1.1.1', ordersTimeout: '9s' },
    { mode: 'PERMISSIVE' },
    { weight: 2, address: '10.1.1.2' },
  ];
  const together = rounds(...states);
  states.forEach((state, i) => {
    const [alone] = rounds(state);
    for (const node of ['web-1', 'orders-1', 'shop-1']) {
      assert.deepEqual(together[i]!(node), alone!(node), `${node}, state ${i}`);
    }
  });
});
