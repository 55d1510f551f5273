// What is said of proxyless gRPC clients: nothing for services that they do not get, and every limit with its document.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildGraph } from '../graph/builder.ts';
import { readDocuments } from '../model/documents.ts';
import type { MeshObject } from '../model/object.ts';
import { checkMesh } from '../model/semantics.ts';
import { explainProxyless, ProxylessDocuments } from './proxyless.ts';

const stock = `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: stock}
spec: {ports: [{port: 80, protocol: HTTP2}]}
`;
const policy = (name: string, rest: string) => `---
apiVersion: remora.dev/v1
kind: TrafficPolicy
metadata: {name: ${name}}
spec: ${rest}
`;
const httpRoute = (rule: string) => `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: stock}
spec:
  parentRefs: [{kind: Service, name: stock}]
  rules: [${rule}]
`;

function documents(text: string): MeshObject[] {
  const { objects, problems } = readDocuments(text, 'mesh.yaml');
  assert.deepEqual([...problems, ...checkMesh(objects)], []);
  return objects.map(({ object }) => object);
}

/** But for the first, which says how they call. */
function sentences(text: string): string[] {
  const objects = documents(text);
  const [service] = buildGraph(objects, []).services;
  assert.ok(service !== undefined);
  const section = explainProxyless(service, objects);
  return (section?.sentences ?? []).slice(1).map((of) => `${of.text} [${of.source}]`);
}

test('a service of HTTP/1.1 is not for them, and nothing is said', () => {
  const objects = documents(stock.replace('HTTP2', 'HTTP'));
  const [service] = buildGraph(objects, []).services;
  assert.ok(service !== undefined);
  assert.equal(explainProxyless(service, objects), null);
});

test('without any document it is said that nobody is ejected', () => {
  const [only, ...rest] = sentences(stock);
  assert.match(only ?? '', /eject none \[default\]$/);
  assert.deepEqual(rest, []);
});

test('every limit stands with its field and its document', () => {
  const text =
    stock +
    httpRoute(
      '{name: moved, matches: [{path: {value: /old}}], filters: [{type: RequestRedirect, requestRedirect: {port: 81}}]}, {matches: [{queryParams: [{name: a, value: b}]}], backendRefs: [{name: stock}]}',
    ) +
    policy(
      'stock',
      '{targetRef: {kind: Service, name: stock}, retries: {hedge: true, perTryTimeout: 1s, retryOn: [5xx, unavailable]}, outlierDetection: {successRate: {}, consecutive5xx: 3}}',
    ) +
    policy('route', '{targetRef: {kind: HTTPRoute, name: stock}, timeouts: {idle: 1s}}');
  assert.deepEqual(sentences(text), [
    'spec.retries.perTryTimeout: a try has no limit [TrafficPolicy default/stock]',
    'spec.retries.retryOn: they retry by grpc-status only, not on 5xx [TrafficPolicy default/stock]',
    'spec.retries.hedge: they do not hedge [TrafficPolicy default/stock]',
    'spec.outlierDetection.consecutive5xx: they eject by failurePercentage and successRate alone [TrafficPolicy default/stock]',
    'spec.rules[0].filters[0] (RequestRedirect): they cannot be redirected: the rule is left out [HTTPRoute default/stock]',
    'spec.rules[1].matches[0].queryParams: calls have none: the match is left out [HTTPRoute default/stock]',
    'spec.timeouts.idle: a silent stream stays open [TrafficPolicy default/route]',
  ]);
});

test('a document that only callers of HTTP/1.1 heed has no limits', () => {
  const bare = policy(
    'stock',
    '{targetRef: {kind: Service, name: stock}, retries: {budgetPercent: 10}}',
  );
  const limits = (text: string) => {
    const objects = documents(text);
    const of = new ProxylessDocuments(objects);
    return objects.flatMap((object) => of.limitsOf(object).map(({ field }) => field));
  };
  assert.deepEqual(limits(stock + bare), ['spec.retries.budgetPercent']);
  assert.deepEqual(limits(stock.replace('HTTP2', 'HTTP') + bare), []);
});
