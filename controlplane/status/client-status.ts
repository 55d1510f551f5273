// CSDS: who runs what, as envoy.service.status.v3 says it. Per connected node one ClientConfig with each resource that
// it is to have, has or asks for. Private keys are never in it. Pure; client-status-service.ts serves it over gRPC, the
// REST API as JSON.

import { err, formatFieldError, ok, type Result } from '../../common/result.ts';
import { decodeMessage, packAny } from '../../proto/any.ts';
import type {
  ClientConfigGenericXdsConfigProto,
  ClientConfigProto,
  ClientStatusRequestProto,
  ClientStatusResponseProto,
  SecretProto,
  StringMatcherProto,
} from '../../proto/gen/types.ts';
import { messageFromJson, messageToJson } from '../../proto/json.ts';
import type { DecodedAny, PlainDuration } from '../../proto/plain.ts';
import type { NodeStatus, TypeStatus } from '../ads/ack-tracker.ts';
import { typeNameOfKind, typeUrlOfKind } from '../cache/kinds.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import type { InspectedResource, NodeInspector } from './node-inspector.ts';

export interface ClientStatusError {
  readonly kind: 'invalid' | 'too-large';
  readonly message: string;
}

export interface ClientStatusLimits {
  /** Resources in one answer. */
  readonly resources: number;
}

const defaultLimits: ClientStatusLimits = { resources: 50_000 };

/** The answer to one request. */
export function clientStatus(
  inspector: NodeInspector,
  request: ClientStatusRequestProto,
  limits: ClientStatusLimits = defaultLimits,
): Result<ClientStatusResponseProto, ClientStatusError> {
  const matchers: StringMatcherProto[] = [];
  for (const [i, matcher] of (request.node_matchers ?? []).entries()) {
    const at = `node_matchers[${i}]`;
    if ((matcher.node_metadatas ?? []).length > 0) {
      return invalid(`${at}.node_metadatas is not supported; match by node_id`);
    }
    const id = matcher.node_id;
    if (id?.safe_regex !== undefined || id?.custom !== undefined) {
      return invalid(
        `${at}.node_id: only exact, prefix, suffix and contains (with ignore_case) are supported`,
      );
    }
    // A matcher without a criterion matches every node.
    matchers.push(id ?? { prefix: '' });
  }
  const config: ClientConfigProto[] = [];
  let count = 0;
  for (const status of inspector.nodes().values()) {
    if (!status.isConnected) continue;
    if (matchers.length > 0 && !matchers.some((matcher) => matches(matcher, status.nodeId))) {
      continue;
    }
    const resources = inspector.resources(status.nodeId);
    count += resources.length;
    if (count > limits.resources) {
      return err({
        kind: 'too-large',
        message: `more than ${limits.resources} resources; ask for fewer nodes with node_matchers`,
      });
    }
    config.push(clientConfig(status, resources, request.exclude_resource_contents !== true));
  }
  return ok({ config });
}

const REQUEST = 'envoy.service.status.v3.ClientStatusRequest';
const RESPONSE = 'envoy.service.status.v3.ClientStatusResponse';

/** The same with Envoy's JSON on both sides. */
export function clientStatusJson(
  inspector: NodeInspector,
  json: unknown,
): Result<object, ClientStatusError> {
  const request = messageFromJson(REQUEST, json, { unknownFields: 'error' });
  if (!request.ok) return invalid(request.errors.map(formatFieldError).join('; '));
  const status = clientStatus(inspector, request.value.message);
  if (!status.ok) return status;
  return ok(messageToJson(RESPONSE, status.value, { redact: true }));
}

function clientConfig(
  status: NodeStatus,
  resources: readonly InspectedResource[],
  withContents: boolean,
): ClientConfigProto {
  const types = new Map(status.types.map((type) => [type.kind, type]));
  const [name = '', version = ''] = status.userAgent.split('/');
  return {
    node: {
      id: status.nodeId,
      ...(name === '' ? {} : { user_agent_name: name }),
      ...(version === '' ? {} : { user_agent_version: version }),
    },
    generic_xds_configs: resources.map((resource) =>
      genericConfig(resource, types.get(resource.kind), withContents),
    ),
  };
}

function genericConfig(
  resource: InspectedResource,
  type: TypeStatus | undefined,
  withContents: boolean,
): ClientConfigGenericXdsConfigProto {
  const { kind, name, state, current } = resource;
  const nack = state === 'ERROR' ? (type?.nack ?? null) : null;
  const sentAtMs = resource.accepted === null && state === 'NOT_SENT' ? 0 : (type?.sentAtMs ?? 0);
  return {
    type_url: typeUrlOfKind(kind),
    name,
    ...(current === null ? {} : { version_info: current.version }),
    ...(current === null || !withContents ? {} : { xds_config: contentOf(current) }),
    ...(sentAtMs === 0 ? {} : { last_updated: timestamp(sentAtMs) }),
    config_status: state,
    client_status: clientState(resource),
    ...(nack === null
      ? {}
      : {
          error_state: {
            details: nack.reason,
            version_info: nack.version,
            last_update_attempt: timestamp(nack.atMs),
          },
        }),
  };
}

/** What the client itself would say, as far as its answers tell. */
function clientState(resource: InspectedResource) {
  const { state, current, accepted, missingSinceMs } = resource;
  if (missingSinceMs !== null) return 'DOES_NOT_EXIST';
  if (state === 'ERROR') return 'NACKED';
  if (state === 'SYNCED') return 'ACKED';
  // It runs the version before, or was sent its first one.
  if (accepted !== null) return 'ACKED';
  return state === 'STALE' && current !== null ? 'REQUESTED' : 'UNKNOWN';
}

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const REDACTED = { inline_string: '[redacted]' };

function contentOf(resource: SnapshotResource): DecodedAny {
  const { kind, name, typeUrl, bytes } = resource;
  const typeName = typeNameOfKind(kind);
  if (kind !== 'secret') {
    const decoded = decodeMessage(typeName, bytes);
    const message = decoded.ok ? decoded.value.message : null;
    return { type_url: typeUrl, type_name: typeName, message, value: Buffer.from(bytes) };
  }
  const decoded = decodeMessage(SECRET, bytes);
  return packAny(SECRET, decoded.ok ? withoutKey(name, decoded.value.message) : { name });
}

/** What is public of a secret: certificates and roots. */
function withoutKey(name: string, secret: SecretProto): SecretProto {
  const { tls_certificate: own, validation_context } = secret;
  if (validation_context !== undefined) return { name, validation_context };
  if (own === undefined) return { name };
  const chain = own.certificate_chain;
  return {
    name,
    tls_certificate: {
      ...(chain === undefined ? {} : { certificate_chain: chain }),
      private_key: REDACTED,
    },
  };
}

function matches(matcher: StringMatcherProto, text: string): boolean {
  const fold = (value: string) => (matcher.ignore_case === true ? value.toLowerCase() : value);
  const id = fold(text);
  const { exact, prefix, suffix, contains } = matcher;
  if (exact !== undefined) return id === fold(exact);
  if (prefix !== undefined) return id.startsWith(fold(prefix));
  if (suffix !== undefined) return id.endsWith(fold(suffix));
  return contains !== undefined && id.includes(fold(contains));
}

function timestamp(ms: number): PlainDuration {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - 1000 * seconds) * 1_000_000) };
}

function invalid(message: string): Result<never, ClientStatusError> {
  return err({ kind: 'invalid', message });
}
