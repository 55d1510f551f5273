// What this xDS client has of each resource, as the Client Status Discovery Service tells it: ClientStatusResponse in JSON
// form. Whatever the API marks as sensitive is redacted. The page and the gRPC service answer with it.

import { CodedError } from '../../../common/coded-error.ts';
import { formatFieldError } from '../../../common/result.ts';
import { decodeMessage } from '../../../proto/any.ts';
import type { ClientStatusRequestProto, NodeProto } from '../../../proto/gen/types.ts';
import { messageToJson } from '../../../proto/json.ts';
import { typeNameOf } from '../../../proto/type-urls.ts';
import type { NodeConfig } from '../../api/config/bootstrap.ts';
import type { XdsDumpEntry } from '../../xds/xds-client.ts';
import { matchesNode } from './node-matcher.ts';

type Json = Readonly<Record<string, unknown>>;

export interface ClientStatusInput {
  readonly request: ClientStatusRequestProto;
  readonly node: NodeConfig;
  /** What its streams say of it. */
  readonly nodeProto: NodeProto;
  readonly entries: readonly XdsDumpEntry[];
}

/** Code of what clientStatus throws for a request that makes no sense. */
export const BAD_REQUEST = 'bad-request';

/** Without a config when the request's matchers are about others. Throws a CodedError. */
export function clientStatus({ request, node, nodeProto, entries }: ClientStatusInput): Json {
  const isMeant = matchesNode(request.node_matchers ?? [], node);
  if (!isMeant.ok) {
    throw new CodedError(BAD_REQUEST, isMeant.errors.map(formatFieldError).join(', '));
  }
  if (!isMeant.value) return {};
  const hasContents = request.exclude_resource_contents !== true;
  const config = {
    node: messageToJson('envoy.config.core.v3.Node', nodeProto),
    generic_xds_configs: entries.map((entry) => genericXdsConfig(entry, hasContents)),
  };
  return { config: [config] };
}

function genericXdsConfig(entry: XdsDumpEntry, hasContents: boolean): Json {
  const { typeUrl, name, version, compiled, bytes, updatedAtMs, status, error } = entry;
  const isHeld = compiled !== null;
  const content = isHeld && hasContents ? redacted(typeUrl, bytes) : null;
  return {
    type_url: typeUrl,
    name,
    ...(isHeld ? { version_info: version, last_updated: timeText(updatedAtMs) } : {}),
    ...(content === null ? {} : { xds_config: content }),
    client_status: status,
    ...(error === null ? {} : { error_state: errorState(typeUrl, error, hasContents) }),
  };
}

function errorState(
  typeUrl: string,
  { bytes, version, details, atMs }: NonNullable<XdsDumpEntry['error']>,
  hasContents: boolean,
): Json {
  const content = hasContents ? redacted(typeUrl, bytes) : null;
  return {
    details,
    version_info: version,
    last_update_attempt: timeText(atMs),
    ...(content === null ? {} : { failed_configuration: content }),
  };
}

/** An Any in JSON; null = what was refused cannot even be decoded. */
function redacted(typeUrl: string, bytes: Uint8Array): Json | null {
  const typeName = typeNameOf(typeUrl);
  const decoded = decodeMessage<string>(typeName, bytes);
  if (!decoded.ok) return null;
  return { '@type': typeUrl, ...messageToJson(typeName, decoded.value.message, { redact: true }) };
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
