// What of a mesh proxyless gRPC clients get, where the golden files have no case of it. The rules are gRPC's: what
// breaks one of them is refused by real clients (test/interop/xds-clients).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildGraph } from '../../graph/builder.ts';
import { GraphHistory } from '../../graph/history.ts';
import { readDocuments } from '../../model/documents.ts';
import { checkMesh } from '../../model/semantics.ts';
import { GrpcTranslator } from './grpc-translator.ts';
import { type GrpcProfile, grpcDialectOf, profileKey } from './profile.ts';

const profile: GrpcProfile = {
  dialect: 'any',
  namespace: 'default',
  locality: { region: '', zone: '', subZone: '' },
  hasCertificates: false,
  nodeId: null,
};

const stock = (rest = '') => `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: stock}
spec: {ports: [{port: 80, protocol: GRPC}]}
${rest}`;

const route = (rules: string) => `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: stock}
spec: {parentRefs: [{kind: Service, name: stock}], rules: [${rules}]}
`;

const policy = (rest: string) => `---
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: stock}
spec: {targetRef: {kind: Service, name: stock}, ${rest}}
`;

const workload = (name: string, port: number, rest = '') => `---
apiVersion: remora.dev/v1
kind: Workload
metadata: {name: ${name}}
spec: {service: stock, address: 10.0.0.1, inboundPort: ${port}, appPort: 1${rest}}
`;

function graphOf(text: string) {
  const { objects, problems } = readDocuments(text, 'mesh.yaml');
  assert.deepEqual([...problems, ...checkMesh(objects)], []);
  return buildGraph(
    objects.map(({ object }) => object),
    [],
  );
}

/** One control plane through several rounds. */
class Rounds {
  readonly #history = new GraphHistory();
  readonly #translator = new GrpcTranslator(this.#history);

  translate(text: string, own: Partial<GrpcProfile> = {}) {
    this.#translator.begin(this.#history.succeed(graphOf(text)));
    return this.#translator.resourcesOf({ ...profile, ...own });
  }
}

function translate(text: string, own: Partial<GrpcProfile> = {}) {
  return new Rounds().translate(text, own);
}

function routesOf(text: string) {
  const [table] = translate(text).route.values();
  return table?.virtual_hosts?.[0]?.routes ?? [];
}

function clusterOf(text: string, own: Partial<GrpcProfile> = {}) {
  const cluster = translate(text, own).cluster.get('outbound|80||stock.default');
  assert.ok(cluster !== undefined);
  return cluster;
}

test('redirects, other methods than POST and query parameters are left out', () => {
  const rules = [
    '{matches: [{path: {value: /r}}], filters: [{type: RequestRedirect, requestRedirect: {port: 81}}]}',
    '{matches: [{method: GET}], backendRefs: [{name: stock}]}',
    '{matches: [{queryParams: [{name: a, value: b}]}], backendRefs: [{name: stock}]}',
    '{matches: [{method: POST, path: {value: /shop.Stock}}], backendRefs: [{name: stock}]}',
  ];
  const matches = routesOf(stock(route(rules.join()))).map(({ match }) => match);
  assert.deepEqual(matches, [{ prefix: '/shop.Stock/' }]);
});

test('a prefix of two elements is a method, and headers match in the form that all releases know', () => {
  const rule =
    '{matches: [{path: {value: /shop.Stock/Get}, headers: [{name: X-User, value: a}, {name: x-b, type: RegularExpression, value: b.*}]}], backendRefs: [{name: stock}]}';
  const [first] = routesOf(stock(route(rule)));
  assert.deepEqual(first?.match, {
    path: '/shop.Stock/Get',
    headers: [
      { name: 'x-user', exact_match: 'a' },
      { name: 'x-b', safe_regex_match: { regex: 'b.*' } },
    ],
  });
});

test('the shorter of request timeout and longest stream is the deadline of a call', () => {
  const actionOf = (rest: string) => routesOf(stock(rest))[0]?.route;
  assert.equal(actionOf('')?.max_stream_duration, undefined);
  assert.deepEqual(
    actionOf(policy('timeouts: {request: 3s, maxStreamDuration: 2s}'))?.max_stream_duration,
    { max_stream_duration: { seconds: 2, nanos: 0 } },
  );
});

test('retries are sent for conditions of gRPC alone', () => {
  const retryOf = (rest: string) => routesOf(stock(rest))[0]?.route?.retry_policy;
  assert.equal(retryOf(''), undefined);
  assert.equal(retryOf(policy('retries: {retryOn: [5xx]}')), undefined);
  assert.equal(retryOf(policy('retries: {attempts: 0, retryOn: [unavailable]}')), undefined);
  const retry = retryOf(policy('retries: {attempts: 3, retryOn: [5xx, unavailable, internal]}'));
  assert.deepEqual([retry?.retry_on, retry?.num_retries], ['unavailable,internal', { value: 3 }]);
  const quick = retryOf(policy('retries: {retryOn: [unavailable], backoff: {base: 1ms}}'));
  assert.deepEqual(quick?.retry_back_off?.base_interval, { seconds: 0, nanos: 2_000_000 });
});

test('grpc-js gets no list of balancing policies, the others one of what they may know', () => {
  const rest = policy('loadBalancing: {policy: PEAK_EWMA}');
  const node = clusterOf(stock(rest), { dialect: 'node' });
  assert.deepEqual([node.lb_policy, node.load_balancing_policy], ['ROUND_ROBIN', undefined]);
  const any = clusterOf(stock(rest));
  assert.equal(any.lb_policy, 'ROUND_ROBIN');
  const text = JSON.stringify(any.load_balancing_policy);
  assert.match(text, /WrrLocality.*LeastRequest.*RoundRobin/);
});

test('outlier detection is there only with its statistical kinds, the other one off by name', () => {
  assert.equal(clusterOf(stock()).outlier_detection, undefined);
  const rest = policy('outlierDetection: {failurePercentage: {threshold: 40}}');
  const { outlier_detection: outlier } = clusterOf(stock(rest));
  assert.deepEqual(outlier?.failure_percentage_threshold, { value: 40 });
  assert.deepEqual(outlier?.enforcing_success_rate, { value: 0 });
});

test('instances of different weights stand in localities of their own, each with its weight', () => {
  const text = stock(workload('a', 1) + workload('b', 2) + workload('c', 3, ', weight: 4'));
  const [assignment] = translate(text).endpoint.values();
  assert.deepEqual(
    assignment?.endpoints?.map((of) => [
      of.locality?.sub_zone,
      of.load_balancing_weight?.value,
      of.lb_endpoints?.length,
    ]),
    [
      ['#weight=1', 2, 2],
      ['#weight=4', 4, 1],
    ],
  );
});

test('an address is there once', () => {
  const [assignment] = translate(stock(workload('a', 1) + workload('b', 1))).endpoint.values();
  assert.equal(assignment?.endpoints?.[0]?.lb_endpoints?.length, 1);
});

test('a service that was gone comes back with its names, but not quite the same: grpc-js would not see it', () => {
  const rounds = new Rounds();
  const own = { dialect: 'node' } as const;
  const first = rounds.translate(stock(), own);
  rounds.translate('', own);
  const back = rounds.translate(stock(), own);
  for (const kind of ['cluster', 'listener'] as const) {
    const [before, after] = [first[kind], back[kind]];
    assert.deepEqual([...after.keys()], [...before.keys()]);
    for (const [name, resource] of after) assert.notDeepEqual(resource, before.get(name));
  }
  assert.deepEqual(back.route, first.route);
  assert.deepEqual(back.endpoint, first.endpoint);
});

test('what did not change from one round to the next is the same map', () => {
  const rounds = new Rounds();
  const own = { nodeId: 'default/a', hasCertificates: true };
  const first = rounds.translate(stock(workload('a', 1)), own);
  const again = rounds.translate(stock(workload('a', 1)), own);
  for (const kind of ['cluster', 'endpoint', 'listener', 'route', 'secret'] as const) {
    assert.equal(again[kind], first[kind], kind);
  }
  const moved = rounds.translate(stock(workload('a', 1) + workload('b', 2)), own);
  assert.notEqual(moved.endpoint, first.endpoint);
  assert.deepEqual([moved.cluster === first.cluster, moved.route === first.route], [true, true]);
  const routed = rounds.translate(stock(workload('a', 1) + policy('timeouts: {request: 3s}')), own);
  assert.notEqual(routed.route, first.route);
});

test('a server without certificates has listeners in a PERMISSIVE mesh alone', () => {
  const text = stock(workload('a', 50051));
  const mode = (name: string) =>
    `apiVersion: remora.dev/v1\nkind: MeshConfig\nmetadata: {name: m}\nspec: {mtls: {mode: ${name}}}\n---${text}`;
  const serverNames = (of: string, hasCertificates: boolean) =>
    [...translate(of, { nodeId: 'default/a', hasCertificates }).listener.keys()].filter((name) =>
      name.startsWith('grpc/server'),
    );
  assert.deepEqual(serverNames(mode('STRICT'), false), []);
  const name = 'grpc/server?xds.resource.listening_address=';
  assert.deepEqual(serverNames(mode('PERMISSIVE'), false), [
    `${name}0.0.0.0:50051`,
    `${name}[::]:50051`,
    `${name}127.0.0.1:50051`,
    `${name}[::1]:50051`,
    `${name}10.0.0.1:50051`,
  ]);
  assert.equal(serverNames(mode('STRICT'), true).length, 5);
});

test('clients are told apart by what they call themselves', () => {
  const names = [
    'gRPC Node Pure JS/1.14',
    'gRPC Go/1.76.0',
    'gRPC C-core linux',
    'envoy',
    'remora',
  ];
  assert.deepEqual(names.map(grpcDialectOf), ['node', 'any', 'any', null, null]);
  const keys = [
    profile,
    { ...profile, dialect: 'node' as const },
    { ...profile, namespace: 'shop' },
    { ...profile, hasCertificates: true },
    { ...profile, nodeId: 'default/a' },
    { ...profile, locality: { region: 'r', zone: '', subZone: '' } },
  ].map(profileKey);
  assert.equal(new Set(keys).size, keys.length);
});
