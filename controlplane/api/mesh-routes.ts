// REST: the mesh as it runs - health, facts, explanations, tokens - and the API's description.

import type { FastifyInstance } from 'fastify';
import { stringify } from 'yaml';
import { DEFAULT_NAMESPACE } from '../model/object.ts';
import { formatProblem } from '../model/problem.ts';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError } from './errors.ts';
import { openApiDocument } from './openapi.ts';

const DEFAULT_TOKEN_TTL_S = 24 * 3600;
const MAX_TOKEN_TTL_S = 365 * 24 * 3600;

export function registerMeshRoutes(server: FastifyInstance, api: ApiDependencies): void {
  server.get('/healthz', () => ({ status: 'ok' }));

  server.get('/openapi.yaml', (_request, reply) =>
    reply
      .type('application/yaml')
      .send(stringify(openApiDocument(), { aliasDuplicateObjects: false })),
  );
  server.get('/openapi.json', () => openApiDocument());

  server.get('/v1/info', () => ({
    ...api.info(),
    revision: api.documents.store.revision,
    fileProblems: api.documents.fileProblems.map(formatProblem),
  }));

  server.get('/v1/explain/policy', (request) => {
    const { service, namespace = DEFAULT_NAMESPACE } = request.query as Record<string, unknown>;
    if (typeof service !== 'string' || typeof namespace !== 'string') {
      throw new ApiError(400, 'bad-request', 'say which: ?service=<name>&namespace=<namespace>');
    }
    const explanation = api.explainPolicy(namespace, service);
    if (explanation === null) {
      throw new ApiError(
        404,
        'not-found',
        `Service "${service}" does not exist in namespace "${namespace}"; see: remora ctl get services`,
      );
    }
    return explanation;
  });

  server.post('/v1/tokens', (request) => {
    const body = request.body;
    const given =
      typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
    const { service, namespace = DEFAULT_NAMESPACE, ttlSeconds = DEFAULT_TOKEN_TTL_S } = given;
    if (
      typeof service !== 'string' ||
      typeof namespace !== 'string' ||
      typeof ttlSeconds !== 'number' ||
      !(ttlSeconds >= 1 && ttlSeconds <= MAX_TOKEN_TTL_S)
    ) {
      throw new ApiError(
        400,
        'bad-request',
        `send {"service": "orders", "namespace": "default", "ttlSeconds": 1..${MAX_TOKEN_TTL_S}}`,
      );
    }
    const issued = api.issueToken(service, namespace, ttlSeconds);
    if (issued === null) {
      throw new ApiError(
        404,
        'not-found',
        `Service "${service}" does not exist in namespace "${namespace}"; apply it first`,
      );
    }
    return { service, namespace, ...issued };
  });
}
