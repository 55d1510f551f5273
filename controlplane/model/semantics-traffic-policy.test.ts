import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDocuments } from './documents.ts';
import { formatProblem } from './problem.ts';
import { checkMesh } from './semantics.ts';

const ofService = '{kind: Service, name: orders}';

/** Problems of a policy with that rest of its spec, without what stands before the field. */
function problemsOf(rest: string, targetRef = ofService, more = ''): string[] {
  const text = `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: orders}
spec: {ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: carts}
spec:
  parentRefs: [{kind: Service, name: orders}]
  rules: [{name: read, backendRefs: [{name: orders}]}, {backendRefs: [{name: orders}]}]
${more}---
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: orders}
spec: {targetRef: ${targetRef}, ${rest}}
`;
  const { objects, problems } = readDocuments(text, 'mesh.yaml');
  return [...problems, ...checkMesh(objects)].map((problem) =>
    formatProblem(problem).replace(/^.* default\/orders spec\./, ''),
  );
}

const wrong: readonly (readonly [string, string, string])[] = [
  [
    'a hash of nothing',
    'loadBalancing: {policy: CONSISTENT_HASH}',
    'loadBalancing.policy: CONSISTENT_HASH needs hashOn: what chooses the instance',
  ],
  [
    'hashOn beside another policy',
    'loadBalancing: {policy: RANDOM, hashOn: [{sourceIp: true}]}',
    'loadBalancing.hashOn: goes with policy CONSISTENT_HASH, not with RANDOM',
  ],
  [
    'an entry that is two',
    'loadBalancing: {policy: CONSISTENT_HASH, hashOn: [{sourceIp: true, header: a}]}',
    'loadBalancing.hashOn[0]: must have exactly one of header, cookie, queryParameter and sourceIp',
  ],
  [
    'slow start of a policy that has none',
    'loadBalancing: {policy: RANDOM, slowStart: 10s}',
    'loadBalancing.slowStart: goes with policy LEAST_REQUEST or ROUND_ROBIN, not with RANDOM',
  ],
  [
    'slow start of our own policy',
    'loadBalancing: {policy: PEAK_EWMA, slowStart: 10s}',
    'loadBalancing.slowStart: goes with policy LEAST_REQUEST or ROUND_ROBIN, not with PEAK_EWMA',
  ],
  [
    'a slow start of no time',
    'loadBalancing: {slowStart: 0s}',
    'loadBalancing.slowStart: must be more than 0',
  ],
  [
    'hedging without the time when it begins',
    'retries: {hedge: true}',
    'retries.hedge: needs perTryTimeout: that is when the further try begins',
  ],
  [
    'no time to wait for retry-after',
    'retries: {backoff: {retryAfterUpTo: 0s}}',
    'retries.backoff.retryAfterUpTo: must be more than 0',
  ],
];

for (const [name, rest, message] of wrong) {
  test(`${name} is refused`, () => assert.deepEqual(problemsOf(rest), [message]));
}

test('what goes together is taken', () => {
  assert.deepEqual(
    problemsOf('loadBalancing: {policy: CONSISTENT_HASH, hashOn: [{header: a}]}'),
    [],
  );
  assert.deepEqual(problemsOf('retries: {hedge: true, perTryTimeout: 100ms}'), []);
  assert.deepEqual(problemsOf('loadBalancing: {slowStart: 30s}'), []);
});

const ofRoute = '{group: gateway.networking.k8s.io, kind: HTTPRoute, name: carts}';
const timeouts = 'timeouts: {request: 2s}';

test('a route and a rule of it can have a policy each', () => {
  const more = `---
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: route}
spec: {targetRef: ${ofRoute}, ${timeouts}}
`;
  const ofRule = '{kind: HTTPRoute, name: carts, sectionName: read}';
  const all = 'retries: {attempts: 1}, circuitBreakers: {errorRatio: {threshold: 30}}';
  assert.deepEqual(problemsOf(`${timeouts}, ${all}`, ofRule, more), []);
  assert.deepEqual(problemsOf(timeouts, ofRoute, more), [
    'targetRef.name: HTTPRoute "carts" already has TrafficPolicy default/route',
  ]);
});

test('what a policy is attached to must be there', () => {
  const found = (targetRef: string) => problemsOf(timeouts, targetRef);
  assert.deepEqual(found('{kind: HTTPRoute, name: cart}'), [
    'targetRef.name: HTTPRoute "cart" does not exist in namespace "default" (it has carts)',
  ]);
  assert.deepEqual(found('{kind: GRPCRoute, name: carts}'), [
    'targetRef.name: GRPCRoute "carts" does not exist in namespace "default" (it has none)',
  ]);
  assert.deepEqual(found('{kind: HTTPRoute, name: carts, sectionName: write}'), [
    'targetRef.sectionName: HTTPRoute "carts" has no rule named "write" (it has read)',
  ]);
  assert.deepEqual(found('{kind: Service, name: orders, sectionName: read}'), [
    'targetRef.sectionName: goes with kind HTTPRoute or GRPCRoute',
  ]);
  assert.deepEqual(found('{group: remora.dev, kind: HTTPRoute, name: carts}'), [
    'targetRef.group: must be gateway.networking.k8s.io for kind HTTPRoute',
  ]);
});

test('a route has only what is its own', () => {
  const whole = 'is of a whole Service: not for a policy of kind HTTPRoute';
  const refused: readonly (readonly [string, string])[] = [
    ['timeouts: {connect: 1s}', `timeouts.connect: ${whole}`],
    ['retries: {budgetPercent: 5}', `retries.budgetPercent: ${whole}`],
    ['circuitBreakers: {maxRequests: 5}', `circuitBreakers.maxRequests: ${whole}`],
    ['outlierDetection: {dryRun: true}', `outlierDetection: ${whole}`],
    ['loadBalancing: {policy: RANDOM, choiceCount: 3}', `loadBalancing: ${whole}`],
    ['healthCheck: {tcp: {}}', `healthCheck: ${whole}`],
    [
      'circuitBreakers: {errorRatio: {scope: INSTANCE}}',
      'circuitBreakers.errorRatio.scope: is of a whole Service: a policy of kind HTTPRoute counts the calls of its route',
    ],
  ];
  for (const [rest, message] of refused) assert.deepEqual(problemsOf(rest, ofRoute), [message]);
});
