import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildGraph } from '../graph/builder.ts';
import { GraphHistory } from '../graph/history.ts';
import { readDocuments } from '../model/documents.ts';
import { formatProblem } from '../model/problem.ts';
import { checkMesh } from '../model/semantics.ts';
import { type NodeResources, Translator } from './translate.ts';

const certificate = { certificateChainPem: 'C', privateKeyPem: 'K', rootsPem: 'R' };

function service(name: string, more = ''): string {
  return `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{port: 80}]${more}}
---
apiVersion: remora.dev/v1
kind: Workload
metadata: {name: ${name}-1}
spec: {service: ${name}, address: 10.0.0.1, inboundPort: 15006, appPort: 8080}
---
apiVersion: remora.dev/v1
kind: Workload
metadata: {name: ${name}-2}
spec: {service: ${name}, address: 10.0.0.2, inboundPort: 15006, appPort: 8080}
---`;
}

function checked(text: string) {
  const { objects, problems } = readDocuments(text, 'mesh.yaml');
  return { objects, problems: [...problems, ...checkMesh(objects)].map(formatProblem) };
}

/** Resources by node id. */
function translate(text: string): (nodeId: string) => NodeResources {
  const { objects, problems } = checked(text);
  assert.deepEqual(problems, []);
  const documents = objects.map(({ object }) => object);
  const history = new GraphHistory();
  const graph = history.succeed(buildGraph(documents, []));
  const translator = new Translator(history);
  translator.begin(graph);
  return (nodeId) => {
    const proxy = graph.proxies.get(nodeId);
    assert.ok(proxy !== undefined);
    return translator.resourcesOf(proxy, certificate);
  };
}

const hosts = ({ route }: NodeResources) =>
  [...route.values()].flatMap(({ virtual_hosts }) => (virtual_hosts ?? []).map(({ name }) => name));

const names = (of: ReadonlyMap<string, unknown>) => [...of.keys()].sort();

test('a service that says nothing is told of all', () => {
  const of = translate(service('web') + service('orders') + service('stock'));
  assert.deepEqual(hosts(of('default/web-1')), ['orders.default', 'stock.default', 'web.default']);
});

test('a service that says what it depends on is told of that and of itself', () => {
  const of = translate(
    service('web', ', dependsOn: [{name: orders}]') + service('orders') + service('stock'),
  );
  const web = of('default/web-1');
  assert.deepEqual(hosts(web), ['web.default', 'orders.default']);
  assert.deepEqual(names(web.cluster), [
    'inbound|8080||web.default',
    'outbound|80||orders.default',
    'outbound|80||web.default',
  ]);
  assert.deepEqual(names(web.endpoint), [
    'outbound|80||orders.default',
    'outbound|80||web.default',
  ]);
  assert.equal(hosts(of('default/orders-1')).length, 3, 'the others are told of all');
});

test('what a dependency’s routes lead on to can be reached, but not named', () => {
  const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders}
spec:
  parentRefs: [{kind: Service, name: orders}]
  rules:
    - backendRefs: [{name: stock}]
      filters: [{type: RequestMirror, requestMirror: {backendRef: {name: audit}}}]
---`;
  const of = translate(
    service('web', ', dependsOn: [{name: orders}]') +
      service('orders') +
      service('stock') +
      service('audit') +
      service('other') +
      route,
  );
  const web = of('default/web-1');
  assert.deepEqual(hosts(web), ['web.default', 'orders.default']);
  assert.deepEqual(names(web.endpoint), [
    'outbound|80||audit.default',
    'outbound|80||orders.default',
    'outbound|80||stock.default',
    'outbound|80||web.default',
  ]);
});

test('a service that depends on nothing is told of itself alone', () => {
  const of = translate(service('web') + service('batch', ', dependsOn: []'));
  assert.deepEqual(hosts(of('default/batch-1')), ['batch.default']);
});

test('instances of a service share all but their certificate', () => {
  const of = translate(service('web', ', dependsOn: [{name: orders}]') + service('orders'));
  const [first, second] = [of('default/web-1'), of('default/web-2')];
  for (const kind of ['cluster', 'endpoint', 'listener', 'route'] as const) {
    assert.equal(first[kind], second[kind], kind);
  }
});

test('a dependency that does not exist, or is listed twice, is refused with its place', () => {
  const { problems } = checked(
    service('web', ', dependsOn: [{name: orders}, {name: web}, {name: web}]'),
  );
  assert.deepEqual(
    problems.map((problem) => problem.replace(/^.*default\/web /, '')),
    [
      'spec.dependsOn[0].name: Service "orders" does not exist in namespace "default" (it has web)',
      'spec.dependsOn[2].name: Service "web" is listed twice',
    ],
  );
});
