import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { type LocatedObject, readDocuments } from '../model/documents.ts';
import { formatProblem } from '../model/problem.ts';
import { MemoryStore } from './memory-store.ts';
import { MeshDocuments } from './mesh-documents.ts';

const service = (name: string, port = 80) => `
apiVersion: remora.dev/v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{port: ${port}}]}
---`;
const route = (name: string, to: string) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}}
spec: {parentRefs: [{kind: Service, name: a}], rules: [{backendRefs: [{name: ${to}}]}]}
---`;

function read(text: string, source = 'mesh.yaml'): readonly LocatedObject[] {
  const { objects, problems } = readDocuments(text, source);
  assert.deepEqual(problems, []);
  return objects;
}

describe('mesh documents', () => {
  let documents: MeshDocuments;
  let changes: number;
  const revisionOf = (key: string) => documents.store.get(key)?.revision;
  const portOf = (key: string) => {
    const object = documents.store.get(key)?.object;
    return object?.kind === 'Service' ? object.spec.ports[0]?.port : null;
  };

  beforeEach(() => {
    documents = new MeshDocuments(new MemoryStore());
    changes = 0;
    documents.store.watch(() => changes++);
    documents.replaceFiles(read(service('a') + service('b')), []);
  });

  it('keeps the last good state when a new file set has a problem, and says where', () => {
    const outcome = documents.replaceFiles(read(service('a') + service('c') + route('r', 'b')), []);
    assert.equal(outcome.ok, false);
    assert.deepEqual(documents.fileProblems.map(formatProblem), [
      'mesh.yaml:15:78 HTTPRoute default/r spec.rules[0].backendRefs[0].name: Service "b" does not exist in namespace "default" (it has a, c)',
    ]);
    assert.deepEqual(
      documents.store.list().map(({ object }) => object.metadata.name),
      ['a', 'b'],
    );
    assert.equal(changes, 1);
    assert.equal(documents.replaceFiles(read(service('a')), []).ok, true);
    assert.deepEqual(documents.fileProblems, []);
  });

  it('gives positions of an unchanged document that moved down its file', () => {
    documents.replaceFiles(read(service('a') + service('b') + route('r', 'b')), []);
    documents.replaceFiles(read(service('a') + service('c') + service('d') + route('r', 'b')), []);
    assert.match(
      documents.fileProblems.map(formatProblem).join(),
      /^mesh\.yaml:20:78 HTTPRoute default\/r/,
    );
  });

  it('changes revisions only of what changed, and tells watchers once', () => {
    documents.replaceFiles(read(service('a') + service('b', 81)), []);
    assert.equal(revisionOf('Service default/a'), 1);
    assert.equal(revisionOf('Service default/b'), 2);
    assert.equal(changes, 2);
    documents.replaceFiles(read(service('a') + service('b', 81)), []);
    assert.equal(changes, 2, 'the same content is no change');
  });

  it('lets REST override a file until the file’s document changes', () => {
    assert.equal(documents.apply(read(service('a', 90), 'rest')).ok, true);
    assert.equal(portOf('Service default/a'), 90);
    documents.replaceFiles(read(service('a') + service('b', 81)), []);
    assert.equal(portOf('Service default/a'), 90, 'another document of the file changed');
    documents.replaceFiles(read(service('a', 70) + service('b', 81)), []);
    assert.equal(portOf('Service default/a'), 70, 'the later change wins');
  });

  it('brings a file’s document back when the REST one over it is deleted', () => {
    documents.apply(read(service('a', 90), 'rest'));
    assert.deepEqual(documents.delete('Service default/a', null), { ok: true, value: 'restored' });
    assert.equal(portOf('Service default/a'), 80);
  });

  it('refuses to delete what only a file defines, naming the file', () => {
    const outcome = documents.delete('Service default/b', null);
    assert.equal(outcome.ok, false);
    assert.match(
      outcome.ok || outcome.errors.kind !== 'conflict' ? '' : outcome.errors.message,
      /defined in mesh\.yaml:7; delete it there/,
    );
  });

  it('refuses to delete what others refer to', () => {
    documents.apply(read(service('x') + route('r', 'x'), 'rest'));
    const outcome = documents.delete('Service default/x', null);
    assert.equal(!outcome.ok && outcome.errors.kind, 'invalid');
    assert.notEqual(documents.store.get('Service default/x'), null);
  });

  it('applies all documents or none', () => {
    const outcome = documents.apply(read(service('x') + route('r', 'missing'), 'rest'));
    assert.equal(!outcome.ok && outcome.errors.kind, 'invalid');
    assert.equal(documents.store.get('Service default/x'), null);
  });

  it('says what each document did', () => {
    documents.apply(read(service('x'), 'rest'));
    const outcome = documents.apply(read(service('x') + service('y') + service('a', 1), 'rest'));
    assert.deepEqual(outcome.ok && outcome.value.map(({ change }) => change), [
      'unchanged',
      'created',
      'configured',
    ]);
  });

  it('writes with a resourceVersion only if that is still current', () => {
    documents.apply(read(service('x'), 'rest'));
    const edit = (version: string | number) =>
      documents.apply(
        read(
          service('x', 81).replace('{name: x}', `{name: x, resourceVersion: "${version}"}`),
          'rest',
        ),
      );
    const current = revisionOf('Service default/x') ?? 0;
    assert.equal(edit(current).ok, true);
    const stale = edit(current);
    assert.equal(!stale.ok && stale.errors.kind, 'conflict');
    assert.equal(edit('nonsense').ok, false);
    const stored = documents.store.get('Service default/x')?.object;
    assert.equal(stored !== undefined && 'resourceVersion' in stored.metadata, false);
  });

  it('restores what REST applied, unless the file under it changed meanwhile', () => {
    documents.apply(read(service('a', 90) + service('x', 91), 'rest'));
    const kept = JSON.parse(JSON.stringify(documents.applied()));

    documents = new MeshDocuments(new MemoryStore());
    documents.replaceFiles(read(service('a') + service('b')), []);
    assert.deepEqual(documents.restore(kept), { ok: true, value: [] });
    assert.equal(portOf('Service default/a'), 90);
    assert.equal(portOf('Service default/x'), 91);

    documents = new MeshDocuments(new MemoryStore());
    documents.replaceFiles(read(service('a', 70)), []);
    assert.deepEqual(documents.restore(kept), { ok: true, value: ['Service default/a'] });
    assert.equal(portOf('Service default/a'), 70);
    assert.equal(portOf('Service default/x'), 91);
  });
});
