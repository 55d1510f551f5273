import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDocuments } from './documents.ts';
import { formatProblem } from './problem.ts';
import { checkMesh } from './semantics.ts';

/** Problems of a policy with that rest of its spec, without what stands before the field. */
function problemsOf(rest: string): string[] {
  const text = `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: orders}
spec: {ports: [{port: 80}]}
---
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: orders}
spec: {targetRef: {kind: Service, name: orders}, ${rest}}
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
