// The OpenAPI document, made from the same schemas that validate the documents.

import { kinds, schemaOf } from '../model/object.ts';

const json = (schema: object) => ({ 'application/json': { schema } });
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const answer = (description: string, schema: object) => ({ description, content: json(schema) });

const failures = {
  400: answer('The request makes no sense.', ref('Error')),
  401: answer('The API token is missing or wrong.', ref('Error')),
  403: answer('The Host header names no loopback address.', ref('Error')),
  404: answer('There is no such thing.', ref('Error')),
};
const writeFailures = {
  ...failures,
  409: answer('Somebody else changed it, or a file defines it.', ref('Error')),
  413: answer('The body is too large.', ref('Error')),
  422: answer('The documents are wrong; nothing was changed.', ref('Error')),
};

const pathParameters = ['kind', 'namespace', 'name'].map((name) => ({
  name,
  in: 'path',
  required: true,
  schema: { type: 'string' },
}));
const queryParameter = (name: string, description: string, required = false) => ({
  name,
  in: 'query',
  required,
  description,
  schema: { type: 'string' },
});

const anyObject = { oneOf: kinds.map(ref) };
const applied = {
  type: 'object',
  properties: {
    revision: { type: 'integer' },
    results: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          key: { type: 'string' },
          change: { enum: ['created', 'configured', 'unchanged'] },
        },
      },
    },
  },
};
const listOf = (items: object) => ({
  type: 'object',
  properties: { revision: { type: 'integer' }, items: { type: 'array', items } },
});

/** Everything under `paths` is registered in *-routes.ts; a test compares the two. */
export function openApiDocument(): object {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Remora control plane',
      version: 'v1',
      description:
        'Mesh objects, the state of the proxies, and tokens. On loopback no authentication is needed; elsewhere every call carries `authorization: Bearer <API token>`.',
    },
    security: [{ bearer: [] }, {}],
    paths: {
      '/healthz': { get: { summary: 'Is it there', responses: { 200: answer('Yes.', {}) } } },
      '/openapi.yaml': {
        get: { summary: 'This document', responses: { 200: { description: 'YAML' } } },
      },
      '/openapi.json': {
        get: { summary: 'This document', responses: { 200: answer('JSON', {}) } },
      },
      '/v1/info': {
        get: {
          summary: 'Trust domain, CA fingerprint, addresses, problems of the files',
          responses: { 200: answer('Facts.', {}), ...failures },
        },
      },
      '/v1/resources': {
        get: {
          summary: 'List objects',
          parameters: [
            queryParameter('kind', 'one kind, any case, singular or plural'),
            queryParameter('namespace', 'one namespace'),
          ],
          responses: { 200: answer('Objects.', listOf(anyObject)), ...failures },
        },
      },
      '/v1/resources/{kind}/{namespace}/{name}': {
        parameters: pathParameters,
        get: {
          summary: 'Read an object',
          responses: { 200: answer('It.', anyObject), ...failures },
        },
        put: {
          summary: 'Create or replace an object; metadata.resourceVersion asks for compare-and-set',
          requestBody: { required: true, content: json(anyObject) },
          responses: { 200: answer('Done.', applied), ...writeFailures },
        },
        delete: {
          summary: 'Delete an object that was applied here',
          parameters: [queryParameter('resourceVersion', 'only if this is still current')],
          responses: { 200: answer('Done.', {}), ...writeFailures },
        },
      },
      '/v1/apply': {
        post: {
          summary: 'Apply any number of documents, all or none',
          parameters: [queryParameter('source', 'file name for error positions (YAML body)')],
          requestBody: {
            required: true,
            content: {
              'application/yaml': { schema: { type: 'string' } },
              ...json({
                type: 'object',
                required: ['files'],
                properties: {
                  files: {
                    type: 'array',
                    items: {
                      type: 'object',
                      required: ['name', 'text'],
                      properties: { name: { type: 'string' }, text: { type: 'string' } },
                    },
                  },
                },
              }),
            },
          },
          responses: { 200: answer('Done.', applied), ...writeFailures },
        },
      },
      '/v1/proxy-status': {
        get: {
          summary: 'Every node: is it connected, did it take what it was sent',
          responses: { 200: answer('Nodes.', listOf({ type: 'object' })), ...failures },
        },
      },
      '/v1/config-dump': {
        get: {
          summary: 'The xDS resources of one node, keys redacted',
          parameters: [queryParameter('node', '<namespace>/<name>', true)],
          responses: { 200: answer('Resources by kind.', { type: 'object' }), ...failures },
        },
      },
      '/v1/proxy-config': {
        get: {
          summary: 'What one node is served and has accepted, per resource; secrets as summaries',
          parameters: [
            queryParameter('node', '<namespace>/<name>', true),
            queryParameter('kind', 'cluster, listener, route, endpoint, secret...; default: all'),
          ],
          responses: { 200: answer('Resources.', listOf({ type: 'object' })), ...failures },
        },
      },
      '/v1/proxy-config/diff': {
        get: {
          summary: 'How what one node has accepted differs from what it is to have',
          parameters: [queryParameter('node', '<namespace>/<name>', true)],
          responses: { 200: answer('Changes.', listOf({ type: 'object' })), ...failures },
        },
      },
      '/v3/discovery:client_status': {
        post: {
          summary:
            'CSDS: who runs what; Envoy’s ClientStatusRequest and ClientStatusResponse as JSON',
          requestBody: { required: true, content: json({ type: 'object' }) },
          responses: {
            200: answer('ClientStatusResponse.', { type: 'object' }),
            413: answer('More than fits; ask for fewer nodes.', ref('Error')),
            ...failures,
          },
        },
      },
      '/v1/load': {
        get: {
          summary:
            'What sidecars report of the load that they send, per Service, version and locality',
          parameters: [queryParameter('service', '<name>.<namespace>; default: all')],
          responses: { 200: answer('Loads.', listOf({ type: 'object' })), ...failures },
        },
      },
      '/v1/xds-trace': {
        get: {
          summary:
            'The xDS of one node as it happens, one JSON object per line, until the caller goes',
          parameters: [queryParameter('node', '<namespace>/<name>', true)],
          responses: {
            200: { description: 'Events.', content: { 'application/x-ndjson': {} } },
            429: answer('Too many traces are running.', ref('Error')),
            ...failures,
          },
        },
      },
      '/v1/xds/release': {
        post: {
          summary: 'Take what the guard against vanishing holds back: it was meant',
          parameters: [queryParameter('node', '<namespace>/<name>; default: all')],
          responses: {
            200: answer('{released: the nodes that now get it}.', { type: 'object' }),
            ...failures,
          },
        },
      },
      '/metrics': {
        get: {
          summary: 'Counters of the control plane, remora_cp_*',
          responses: { 200: { description: 'Prometheus text.', content: { 'text/plain': {} } } },
        },
      },
      '/v1/explain/policy': {
        get: {
          summary: 'What happens to calls of a Service, in words and in xDS',
          parameters: [
            queryParameter('service', 'name', true),
            queryParameter('namespace', 'default: default'),
          ],
          responses: { 200: answer('Sections of sentences.', { type: 'object' }), ...failures },
        },
      },
      '/v1/tokens': {
        post: {
          summary: 'Issue a token with which sidecars of one Service join',
          requestBody: {
            required: true,
            content: json({
              type: 'object',
              required: ['service'],
              properties: {
                service: { type: 'string' },
                namespace: { type: 'string', default: 'default' },
                ttlSeconds: { type: 'integer', default: 86_400 },
              },
            }),
          },
          responses: { 200: answer('The token; it is not kept.', { type: 'object' }), ...failures },
        },
      },
    },
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      schemas: {
        ...schemaOf,
        Error: {
          type: 'object',
          properties: {
            error: {
              type: 'object',
              required: ['code', 'message'],
              properties: {
                code: { type: 'string' },
                message: { type: 'string' },
                problems: {
                  type: 'array',
                  items: {
                    type: 'object',
                    properties: {
                      file: { type: ['string', 'null'] },
                      line: { type: ['integer', 'null'] },
                      column: { type: ['integer', 'null'] },
                      object: { type: 'string' },
                      path: { type: 'string' },
                      message: { type: 'string' },
                      text: { type: 'string' },
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  };
}
