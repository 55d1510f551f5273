// REST: the nodes - how far each is, what it is served, what it lacks, its xDS as it happens, the load they report.

import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { xdsKinds } from '../cache/kinds.ts';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError } from './errors.ts';

export function registerXdsRoutes(server: FastifyInstance, api: ApiDependencies): void {
  server.get('/v1/proxy-status', () => ({
    revision: api.documents.store.revision,
    reconciledRevision: api.reconciledRevision(),
    items: api.proxyStatus(),
  }));

  server.get('/v1/config-dump', (request) => {
    const node = nodeIn(request);
    return api.configDump(node) ?? unknownNode(api, node);
  });

  server.get('/v1/proxy-config', (request) => {
    const node = nodeIn(request);
    const { kind } = request.query as { kind?: unknown }; // unknown until looked at
    if (kind !== undefined && !xdsKinds.some((known) => known === kind)) {
      throw new ApiError(400, 'bad-request', `kind must be one of ${xdsKinds.join(', ')}`);
    }
    return api.proxyConfig(node, typeof kind === 'string' ? kind : null) ?? unknownNode(api, node);
  });

  server.get('/v1/proxy-config/diff', (request) => {
    const node = nodeIn(request);
    return api.proxyConfigDiff(node) ?? unknownNode(api, node);
  });

  server.post('/v1/xds/release', (request) => {
    const { node } = request.query as { node?: unknown }; // unknown until looked at
    if (node !== undefined && typeof node !== 'string') {
      throw new ApiError(
        400,
        'bad-request',
        'name one node, or none for all: ?node=<namespace>/<name>',
      );
    }
    return { released: api.releaseHeldBack(node ?? null) };
  });

  server.get('/metrics', (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(api.metrics()),
  );

  // `::` is a colon in the router's patterns.
  server.post('/v3/discovery::client_status', (request) => {
    const answer = api.clientStatus(request.body ?? {});
    if (answer.ok) return answer.value;
    const { kind, message } = answer.errors;
    throw new ApiError(
      kind === 'invalid' ? 400 : 413,
      kind === 'invalid' ? 'bad-request' : kind,
      message,
    );
  });

  server.get('/v1/load', (request) => {
    const { service } = request.query as { service?: unknown }; // unknown until looked at
    const items = api.loads();
    if (typeof service !== 'string') return { items };
    const found = items.filter((load) => load.service === service);
    if (found.length > 0) return { items: found };
    throw new ApiError(404, 'not-found', `no Service "${service}"; see: remora ctl get services`);
  });

  server.get('/v1/xds-trace', (request, reply) => {
    const node = nodeIn(request);
    if (api.proxyConfigDiff(node) === null) unknownNode(api, node);
    return reply.type('application/x-ndjson').send(traceStream(api, node));
  });
}

/** One line of JSON per event, until the reader goes. */
function traceStream(api: ApiDependencies, node: string): Readable {
  const pump = () => {
    for (let line = trace?.take() ?? null; line !== null; line = trace?.take() ?? null) {
      if (!stream.push(`${line}\n`)) return;
    }
  };
  const trace = api.trace(node, () => {
    if (stream.readableLength < stream.readableHighWaterMark) pump();
  });
  if (trace === null) {
    throw new ApiError(429, 'too-many-traces', 'too many traces are running; stop one of them');
  }
  const stream = new Readable({
    read: pump,
    destroy(error, callback) {
      trace.stop();
      callback(error);
    },
  });
  return stream;
}

function nodeIn(request: FastifyRequest): string {
  const { node } = request.query as { node?: unknown }; // unknown until looked at
  if (typeof node === 'string') return node;
  throw new ApiError(400, 'bad-request', 'say which node: ?node=<namespace>/<name>');
}

const NODES_SHOWN = 20;

function unknownNode(api: ApiDependencies, node: string): never {
  const known = api.proxyStatus().map((status) => status.node);
  const shown = known.slice(0, NODES_SHOWN).join(', ');
  const more = known.length > NODES_SHOWN ? ` and ${known.length - NODES_SHOWN} more` : '';
  const there = `${shown || 'none'}${more}`;
  throw new ApiError(404, 'not-found', `no node "${node}"; there are: ${there}`);
}
