import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readDocuments } from '../model/documents.ts';
import { type MeshObject, objectsOfKind } from '../model/object.ts';
import { statusOf } from './status.ts';

const route = (kind: string, name: string, parents: readonly string[]) => `---
apiVersion: gateway.networking.k8s.io/v1
kind: ${kind}
metadata: {name: ${name}}
spec:
  parentRefs: [${parents.map((parent) => `{kind: Service, name: ${parent}}`).join()}]
  rules: [{backendRefs: [{name: a}]}]
`;

/** Accepted of each parent, and of the whole. */
function acceptedOf(name: string, text: string): { parents: string[]; whole: string } {
  const objects: MeshObject[] = readDocuments(text, 'f').objects.map(({ object }) => object);
  const object = objects.find(({ metadata }) => metadata.name === name);
  assert.ok(object !== undefined);
  const status = statusOf(
    { object, origin: { source: 'f', locate: null }, layer: 'rest', revision: 3 },
    [],
    objectsOfKind(objects, 'GRPCRoute'),
  );
  const accepted = (conditions: (typeof status)['conditions']) => {
    const found = conditions.filter(({ type }) => type === 'Accepted');
    assert.equal(found.length, 1);
    return `${found[0]?.status} ${found[0]?.reason}`;
  };
  return {
    parents: (status.parents ?? []).map(({ conditions }) => accepted(conditions)),
    whole: accepted(status.conditions),
  };
}

describe('status of routes', () => {
  it('says at each parent of an HTTPRoute whether a GRPCRoute took its place', () => {
    const text = route('HTTPRoute', 'h', ['a', 'b']) + route('GRPCRoute', 'g', ['b']);
    assert.deepEqual(acceptedOf('h', text), {
      parents: ['True Accepted', 'False Conflicted'],
      whole: 'False Conflicted',
    });
    assert.deepEqual(acceptedOf('g', text), {
      parents: ['True Accepted'],
      whole: 'True Accepted',
    });
  });

  it('is accepted beside a GRPCRoute of another Service, or of another namespace', () => {
    const elsewhere = route('GRPCRoute', 'g', ['a']).replace(
      '{name: g}',
      '{name: g, namespace: n}',
    );
    for (const other of [route('GRPCRoute', 'g', ['b']), elsewhere]) {
      assert.deepEqual(acceptedOf('h', route('HTTPRoute', 'h', ['a']) + other), {
        parents: ['True Accepted'],
        whole: 'True Accepted',
      });
    }
  });
});
