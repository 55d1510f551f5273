// The REST API: fastify with our routes behind one gate. `ctl` is its client; openapi.ts describes it.

import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify';
import { errorText } from '../../common/coded-error.ts';
import { MAX_DOCUMENT_BYTES } from '../model/documents.ts';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError } from './errors.ts';
import { registerMeshRoutes } from './mesh-routes.ts';
import { hasApiToken, isLoopbackAddress } from './operator.ts';
import { registerResourceRoutes } from './resource-routes.ts';
import { registerXdsRoutes } from './xds-routes.ts';

export interface ApiServerOptions extends ApiDependencies {
  /** Bearer token that every call must carry; null only on loopback. */
  readonly token: string | null;
}

/** Bodies of POST /v1/apply carry several files. */
const BODY_LIMIT_BYTES = 2 * MAX_DOCUMENT_BYTES;

/** The server, not listening yet (tests use inject). */
export function createApiServer(options: ApiServerOptions): FastifyInstance {
  const server = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT_BYTES,
    forceCloseConnections: true,
    // A second spelling of a path must not pass a gate that the first does not.
    routerOptions: { ignoreTrailingSlash: false, caseSensitive: true },
  });
  server.addHook('onRequest', async (request) => {
    const denial = gate(request, options.token);
    if (denial !== null) throw denial;
  });
  server.addContentTypeParser(
    ['application/yaml', 'application/x-yaml', 'text/yaml'],
    { parseAs: 'string' },
    (_request, body, done) => done(null, body),
  );
  server.setErrorHandler((error, _request, reply) => {
    if (error instanceof ApiError) {
      return reply.code(error.statusCode).send({ error: error.body });
    }
    const statusCode = statusOf(error);
    if (statusCode >= 500) options.logger.error({ error: errorText(error) }, 'REST call failed');
    // What fastify refuses (bad JSON, too large, wrong content type) says why; our own faults do not.
    const message =
      statusCode >= 500 ? 'internal error; see the control plane’s log' : errorText(error);
    return reply.code(statusCode).send({ error: { code: codeOf(statusCode), message } });
  });
  server.setNotFoundHandler((request, reply) =>
    reply.code(404).send({
      error: {
        code: 'not-found',
        message: `no ${request.method} ${request.url}; see /openapi.yaml`,
      },
    }),
  );
  registerResourceRoutes(server, options);
  registerMeshRoutes(server, options);
  registerXdsRoutes(server, options);
  return server;
}

function gate(request: FastifyRequest, token: string | null): ApiError | null {
  if (token === null) {
    // A web page may make a browser call us under its own name (DNS rebinding): only loopback names pass.
    return isLoopbackHost(request.headers.host ?? '')
      ? null
      : new ApiError(
          403,
          'forbidden',
          'this API answers to loopback host names only (no token is set)',
        );
  }
  return hasApiToken(request.headers.authorization, token)
    ? null
    : new ApiError(401, 'unauthenticated', 'send `authorization: Bearer <API token>`');
}

/** `127.0.0.1:18080`, `localhost`, `[::1]:1`. */
function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return name === 'localhost' || isLoopbackAddress(name);
}

function statusOf(error: unknown): number {
  const given = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  return given >= 400 && given < 600 ? given : 500;
}

function codeOf(statusCode: number): string {
  if (statusCode === 413) return 'too-large';
  if (statusCode === 415) return 'unsupported-content-type';
  return statusCode >= 500 ? 'internal' : 'bad-request';
}
