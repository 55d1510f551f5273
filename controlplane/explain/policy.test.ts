import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildGraph } from '../graph/builder.ts';
import { readDocuments } from '../model/documents.ts';
import { checkMesh } from '../model/semantics.ts';
import { durationText } from './explanation.ts';
import { explainPolicy } from './policy.ts';

const service = `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: orders}
spec: {ports: [{port: 80}]}
`;

function explain(text: string, name = 'orders') {
  const { objects, problems } = readDocuments(text, 'mesh.yaml');
  assert.deepEqual([...problems, ...checkMesh(objects)], []);
  const documents = objects.map(({ object }) => object);
  return explainPolicy(buildGraph(documents, []), documents, 'default', name);
}

/** `sentence [source]` of the section with that title. */
function section(text: string, title: string): string[] {
  const found = explain(text)?.sections.find((of) => of.title === title);
  assert.ok(found !== undefined, title);
  return found.sentences.map((of) => `${of.text} [${of.source}]`);
}

test('without a policy every sentence is a default, and safe methods stand apart', () => {
  const lines = section(service, 'A call that fails');
  assert.ok(
    lines.every((line) => line.endsWith('[default]')),
    lines.join('\n'),
  );
  assert.match(
    lines[0]!,
    /^GET, HEAD and OPTIONS: up to 2 further tries when .* answered with 503/,
  );
  assert.match(lines[1]!, /^every other call: .* nothing|^every other call: up to 2 further tries/);
  assert.doesNotMatch(lines[1]!, /503/, 'a POST that may have been acted upon is not sent twice');
});

test('a setting names the document that it comes from, the policy before the mesh', () => {
  const text = `${service}---
apiVersion: remora.dev/v1
kind: MeshConfig
metadata: {name: mesh}
spec: {defaults: {timeouts: {request: 5s, connect: 300ms}}}
---
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: quick}
spec:
  targetRef: {kind: Service, name: orders}
  timeouts: {request: 1s}
  outlierDetection: {consecutive5xx: 1}
`;
  const calls = section(text, 'A call that fails');
  const whole = 'the whole call, with all its tries, ends after 1s with 504, flag UT';
  assert.ok(calls.includes(`${whole} [TrafficPolicy default/quick]`), calls.join('\n'));
  assert.ok(calls.some((line) => /within 300ms.*\[MeshConfig mesh\]$/.test(line)));
  const [first] = section(text, 'An instance that fails');
  assert.match(first!, /^leaves after one answer of 5xx .*\[TrafficPolicy default\/quick\]$/);
});

test('no retries and no outlier detection are said as such', () => {
  const text = `${service}---
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: bare}
spec:
  targetRef: {kind: Service, name: orders}
  retries: {attempts: 0}
  outlierDetection: {enabled: false}
`;
  const [calls] = section(text, 'A call that fails');
  assert.match(calls!, /^is not tried again: .*\[TrafficPolicy default\/bare\]$/);
  const [instances] = section(text, 'An instance that fails');
  assert.match(instances!, /detection is off \[TrafficPolicy default\/bare\]$/);
});

test('a rule of a route that says otherwise is named', () => {
  const text = `${service}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders}
spec:
  parentRefs: [{kind: Service, name: orders}]
  rules:
    - timeouts: {request: 2s}
      retry: {attempts: 1, codes: [502]}
      backendRefs: [{name: orders}]
`;
  const lines = section(text, 'A call that fails');
  const said = 'rule 0: whole call 2s; up to one further try, also when answered with 502';
  assert.ok(lines.includes(`${said} [route default/orders]`), lines.join('\n'));
});

test('what holds for one route or rule alone is said, with the policy that says it', () => {
  const policy = (name: string, rest: string) => `---
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: ${name}}
spec: {targetRef: ${rest}}
`;
  const text = `${service}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders}
spec:
  parentRefs: [{kind: Service, name: orders}]
  rules:
    - {name: search, matches: [{path: {value: /search}}, {path: {value: /find}}], backendRefs: [{name: orders}]}
    - {backendRefs: [{name: orders}]}
${policy('slow', '{kind: HTTPRoute, name: orders}, timeouts: {request: 40s}, retries: {retryOn: [5xx]}')}${policy(
  'search',
  '{kind: HTTPRoute, name: orders, sectionName: search}, retries: {attempts: 0}, circuitBreakers: {errorRatio: {}}',
)}`;
  const lines = section(text, 'A call that fails').filter((line) => line.startsWith('rule '));
  assert.deepEqual(lines, [
    'rule 0 (search): whole call 40s; when 50 % of its calls fail within 10s (of 20 at least), they are answered with 503 at once, flag ERB, for 5s; then 3 calls must go well; not tried again; tried again when it is answered with 5xx or not at all [TrafficPolicy default/slow, TrafficPolicy default/search]',
    'rule 1: whole call 40s; tried again when it is answered with 5xx or not at all [TrafficPolicy default/slow]',
  ]);
});

test('balancing, dry runs and hedging are said', () => {
  const text = `${service}---
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: all}
spec:
  targetRef: {kind: Service, name: orders}
  retries: {perTryTimeout: 200ms, hedge: true, backoff: {retryAfterUpTo: 5s}}
  circuitBreakers: {errorRatio: {threshold: 40}}
  outlierDetection: {dryRun: true, failurePercentage: {threshold: 60}, successRate: {}}
  loadBalancing: {policy: CONSISTENT_HASH, hashOn: [{header: x-user}, {cookie: {name: id, ttl: 1h}}]}
`;
  assert.deepEqual(section(text, 'Which instance gets a call'), [
    'always the same for the same header x-user, else cookie id (given out where it is missing); without any, one at random (MAGLEV) [TrafficPolicy default/all]',
  ]);
  const calls = section(text, 'A call that fails').join('\n');
  assert.match(calls, /after 200ms goes on while a further one begins/);
  assert.match(calls, /retry-after says, if that is no more than 5s/);
  const instances = section(text, 'An instance that fails').join('\n');
  assert.match(instances, /leaves when 60 % of its calls fail .*5 instances had 50 calls each/);
  assert.match(instances, /1\.9 standard deviations below the mean/);
  assert.match(instances, /dry run/);
  assert.match(
    instances,
    /^when 40 % of the calls fail within 10s \(of 20 at least\), .* for 5s; then 3 calls/,
  );
});

test('the xDS is that of the Service, in Envoy’s spelling', () => {
  const xds = explain(service)?.xds;
  const text = JSON.stringify(xds);
  assert.match(text, /"name":"outbound\|80\|\|orders\.default"/);
  assert.match(text, /"retry_on":"connect-failure,refused-stream,reset-before-request"/);
  assert.equal(explain(service, 'nobody'), null);
});

test('durations are spelled as documents spell them', () => {
  assert.deepEqual([25, 1500, 15_000, 300_000, 5_400_000].map(durationText), [
    '25ms',
    '1s500ms',
    '15s',
    '5m',
    '1h30m',
  ]);
});
