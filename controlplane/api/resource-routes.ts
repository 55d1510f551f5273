// REST: mesh objects. GET lists and reads, PUT and POST /v1/apply write through store/mesh-documents, DELETE
// removes. What is read can be applied again: `status` is ignored, resourceVersion asks for compare-and-set.

import type { FastifyInstance } from 'fastify';
import { ProxylessDocuments } from '../explain/proxyless.ts';
import { JOINED_LABEL } from '../join/admission.ts';
import { type LocatedObject, readDocuments } from '../model/documents.ts';
import {
  type Kind,
  keyOf,
  kinds,
  type MeshObject,
  objectKey,
  objectsOfKind,
  parseKind,
} from '../model/object.ts';
import type { Origin, Problem } from '../model/problem.ts';
import { validateDocument } from '../model/validate.ts';
import { statusOf } from '../reconcile/status.ts';
import type { StoredObject } from '../store/store.ts';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError, invalid, refused } from './errors.ts';

interface ObjectParams {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

const MAX_FILES = 200;

export function registerResourceRoutes(server: FastifyInstance, api: ApiDependencies): void {
  server.get('/v1/resources', (request) => {
    const query = request.query as { kind?: string; namespace?: string }; // strings or absent, checked below
    const kind = query.kind === undefined ? undefined : kindOf(query.kind);
    const namespace = query.namespace;
    const items = allObjects(api, kind).filter(
      (item) => namespace === undefined || item.metadata.namespace === namespace,
    );
    return { revision: api.documents.store.revision, items };
  });

  server.get<{ Params: ObjectParams }>('/v1/resources/:kind/:namespace/:name', (request) => {
    const { kind, namespace, name } = paramsOf(request.params);
    const found = allObjects(api, kind).find(
      (item) => item.metadata.namespace === namespace && item.metadata.name === name,
    );
    if (found === undefined) {
      throw new ApiError(404, 'not-found', `${objectKey(kind, namespace, name)} does not exist`);
    }
    return found;
  });

  server.put<{ Params: ObjectParams }>('/v1/resources/:kind/:namespace/:name', (request) => {
    const { kind, namespace, name } = paramsOf(request.params);
    const origin: Origin = { source: 'rest', locate: null };
    const validated = validateDocument(request.body, origin);
    if (!validated.ok) throw invalid(validated.errors);
    const key = objectKey(kind, namespace, name);
    if (keyOf(validated.value) !== key) {
      throw new ApiError(
        400,
        'bad-request',
        `the body is ${keyOf(validated.value)}, the path says ${key}`,
      );
    }
    return applyAll(api, [{ object: validated.value, origin }]);
  });

  server.delete<{ Params: ObjectParams }>('/v1/resources/:kind/:namespace/:name', (request) => {
    const { kind, namespace, name } = paramsOf(request.params);
    const query = request.query as { resourceVersion?: string }; // a string or absent
    const expected = query.resourceVersion === undefined ? null : Number(query.resourceVersion);
    const key = objectKey(kind, namespace, name);
    const outcome = api.documents.delete(key, expected);
    if (!outcome.ok) throw refused(outcome.errors);
    return { key, change: outcome.value };
  });

  server.post('/v1/apply', (request) => {
    const objects: LocatedObject[] = [];
    const problems: Problem[] = [];
    for (const { name, text } of textsOf(request.body, request.query)) {
      const set = readDocuments(text, name);
      objects.push(...set.objects);
      problems.push(...set.problems);
    }
    if (problems.length > 0) throw invalid(problems);
    if (objects.length === 0) throw new ApiError(400, 'bad-request', 'no documents in there');
    return applyAll(api, objects);
  });
}

function applyAll(api: ApiDependencies, objects: readonly LocatedObject[]) {
  const outcome = api.documents.apply(objects);
  if (!outcome.ok) throw refused(outcome.errors);
  for (const { key, change } of outcome.value) {
    if (change !== 'unchanged') api.logger.info({ object: key, change }, 'applied over REST');
  }
  return { revision: api.documents.store.revision, results: outcome.value };
}

/** A YAML body (named by ?source=), or JSON `{files: [{name, text}]}` for several at once. */
function textsOf(body: unknown, query: unknown): { name: string; text: string }[] {
  if (typeof body === 'string') {
    const { source } = query as { source?: unknown }; // unknown until looked at
    return [{ name: typeof source === 'string' ? source : 'request', text: body }];
  }
  const files = typeof body === 'object' && body !== null && 'files' in body ? body.files : null;
  if (
    !Array.isArray(files) ||
    files.length === 0 ||
    files.length > MAX_FILES ||
    !files.every(isFile)
  ) {
    throw new ApiError(
      400,
      'bad-request',
      'send YAML as application/yaml, or JSON {"files": [{"name": "a.yaml", "text": "..."}]}',
    );
  }
  return files;
}

function isFile(value: unknown): value is { name: string; text: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    'text' in value &&
    typeof value.name === 'string' &&
    typeof value.text === 'string'
  );
}

/** Stored objects and joined Workloads, with resourceVersion and status. */
function allObjects(api: ApiDependencies, kind: Kind | undefined) {
  const { store, fileProblems } = api.documents;
  const grpcRoutes = objectsOfKind(
    store.list('GRPCRoute').map(({ object }) => object),
    'GRPCRoute',
  );
  const proxyless = api.hasProxylessClients()
    ? new ProxylessDocuments(store.list().map(({ object }) => object))
    : null;
  const stored = store
    .list(kind)
    .map((entry) =>
      shown(
        entry,
        statusOf(entry, fileProblems, grpcRoutes, proxyless?.limitsOf(entry.object) ?? []),
      ),
    );
  if (kind !== undefined && kind !== 'Workload') return stored;
  const joined = api.joined().map((workload) => ({
    ...workload,
    status: {
      conditions: [
        { type: 'Joined', status: 'True', reason: 'Registered', message: `label ${JOINED_LABEL}` },
      ],
    },
  }));
  return [...stored, ...joined];
}

function shown({ object, revision, layer, origin }: StoredObject, status: object): MeshObject {
  const source = layer === 'file' ? origin.source : 'rest';
  const metadata = { ...object.metadata, resourceVersion: String(revision) };
  // The envelope's own fields; status is open in the schema.
  return { ...object, metadata, status: { source, ...status } } as MeshObject;
}

function paramsOf(params: ObjectParams): { kind: Kind; namespace: string; name: string } {
  return { ...params, kind: kindOf(params.kind) };
}

function kindOf(text: string): Kind {
  const kind = parseKind(text);
  if (kind === null) {
    throw new ApiError(
      404,
      'not-found',
      `no kind "${text.slice(0, 64)}"; there are ${kinds.join(', ')}`,
    );
  }
  return kind;
}
