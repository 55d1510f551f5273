// Discovery by polling: POST /v3/discovery:clusters and so on, a DiscoveryRequest as JSON, answered with 200 and
// a DiscoveryResponse, or 304 when the client has that version. A plain handler for an HTTP server of somebody
// else. Knows no streams: what a client makes of an answer is not heard of.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import { formatFieldError } from '../../common/result.ts';
import { decodeMessage, encodeMessage } from '../../proto/any.ts';
import { messageFromJson, messageToJson } from '../../proto/json.ts';
import { allowsWildcard, type NamedKind, typeNameOfKind } from '../cache/kinds.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import { type ResourceSet, versionOf } from '../cache/snapshot.ts';
import type { SnapshotCache } from '../cache/snapshot-cache.ts';
import type { AdsStats } from './ads-stats.ts';
import {
  type Authenticator,
  decodeNode,
  denialOf,
  type NameGuard,
  namesForLog,
  type Peer,
} from './authn.ts';
import { xdsServices } from './services.ts';

export interface RestDiscoveryOptions {
  readonly cache: SnapshotCache;
  readonly authenticate: Authenticator;
  readonly mayAskFor?: NameGuard;
  readonly stats: AdsStats;
  readonly logger: Logger;
  /** control_plane.identifier of every response. */
  readonly identifier: string;
  /** A larger body is answered with 413. Default 1 MiB. */
  readonly maxBodyBytes?: number;
}

interface Answer {
  readonly statusCode: number;
  /** '' = none. */
  readonly body: string;
}

const kindByPath: ReadonlyMap<string, NamedKind> = new Map(
  xdsServices.flatMap(({ kind, restPath }) =>
    kind === null || restPath === null ? [] : [[restPath, kind] as const],
  ),
);

/** A `(request, response)` handler; one instance serves every connection. */
export function restDiscovery(
  options: RestDiscoveryOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const maxBodyBytes = options.maxBodyBytes ?? 1024 * 1024;
  return (request, response) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const finish = ({ statusCode, body }: Answer): void => {
      const isError = statusCode >= 400;
      response.writeHead(statusCode, {
        'content-type': isError ? 'text/plain' : 'application/json',
        ...(isError ? { connection: 'close' } : {}),
      });
      response.end(body);
    };
    request.on('error', () => {}); // the peer is gone; there is nobody to answer
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBodyBytes) chunks.push(chunk);
      else if (!response.headersSent) finish(refused(413, `more than ${maxBodyBytes} bytes`));
    });
    request.on('end', () => {
      if (!response.headersSent) finish(answer(options, request, Buffer.concat(chunks)));
    });
  };
}

function answer(options: RestDiscoveryOptions, request: IncomingMessage, body: Buffer): Answer {
  const kind = kindByPath.get(request.url ?? '');
  if (kind === undefined) return refused(404, `no ${request.url}`);
  if (request.method !== 'POST') return refused(405, 'POST a DiscoveryRequest as JSON');
  try {
    return discover(options, kind, peerOf(request), body);
  } catch (thrown) {
    options.logger.error({ kind, error: errorText(thrown) }, 'discovery over REST failed');
    return refused(500, 'internal error');
  }
}

function discover(
  options: RestDiscoveryOptions,
  kind: NamedKind,
  peer: Peer,
  body: Buffer,
): Answer {
  const { cache, authenticate, mayAskFor = () => null, stats, logger } = options;
  const request = readRequest(body);
  if (typeof request === 'string') {
    stats.badRequestsTotal++;
    return refused(400, request);
  }
  const node = decodeNode(encodeMessage('envoy.config.core.v3.Node', request.node ?? {}));
  if (node === null) return refused(400, 'malformed node');
  const admission = authenticate(peer, node);
  if (!admission.ok) {
    stats.refusedTotal++;
    logger.warn(
      { node: node.id, peer: peer.address, reason: admission.reason },
      'xDS client refused',
    );
    return refused(403, admission.reason);
  }
  const names = request.resource_names ?? [];
  const denial = denialOf(mayAskFor, admission.snapshotKey, kind, names);
  if (denial !== null) {
    stats.deniedTotal++;
    logger.warn(
      { peer: peer.address, kind, names: namesForLog(names), reason: denial },
      'xDS request denied',
    );
    return refused(403, denial);
  }
  const snapshot = cache.get(admission.snapshotKey);
  if (snapshot === null) return refused(503, 'nothing is known of this node yet');
  stats.fetchesTotal++;
  const resources = wantedOf(kind, names, snapshot.set(kind));
  const version = versionOf(resources);
  if (version === request.version_info) {
    stats.fetchesUnchangedTotal++;
    return { statusCode: 304, body: '' };
  }
  return { statusCode: 200, body: responseJson(resources, kind, version, options.identifier) };
}

function readRequest(body: Buffer) {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch (thrown) {
    return `no JSON: ${errorText(thrown)}`;
  }
  const read = messageFromJson('envoy.service.discovery.v3.DiscoveryRequest', json, {
    unknownFields: 'warn',
  });
  return read.ok ? read.value.message : read.errors.map(formatFieldError).join('; ');
}

function wantedOf(
  kind: NamedKind,
  names: readonly string[],
  set: ResourceSet,
): readonly SnapshotResource[] {
  if (allowsWildcard(kind) && (names.length === 0 || names.includes('*'))) {
    return [...set.resources.values()];
  }
  const found = new Set<SnapshotResource>();
  for (const name of names) {
    const resource = set.find(name);
    if (resource !== undefined) found.add(resource);
  }
  return [...found];
}

function responseJson(
  resources: readonly SnapshotResource[],
  kind: NamedKind,
  version: string,
  identifier: string,
): string {
  const typeName = typeNameOfKind(kind);
  return JSON.stringify(
    messageToJson('envoy.service.discovery.v3.DiscoveryResponse', {
      version_info: version,
      resources: resources.map(({ typeUrl, bytes }) => {
        const decoded = decodeMessage(typeName, bytes);
        // What does not decode is the client's to refuse.
        const message = decoded.ok ? decoded.value.message : null;
        return { type_url: typeUrl, type_name: typeName, message, value: Buffer.from(bytes) };
      }),
      type_url: `type.googleapis.com/${typeName}`,
      control_plane: { identifier },
    }),
  );
}

function peerOf(request: IncomingMessage): Peer {
  const metadata = new Map<string, readonly string[]>();
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    if (values !== undefined) metadata.set(name, values);
  }
  const { remoteAddress, remotePort } = request.socket;
  return { address: `${remoteAddress}:${remotePort}`, certificate: null, metadata };
}

function refused(statusCode: number, body: string): Answer {
  return { statusCode, body };
}
