// A discovery.v3.DiscoveryResponse in JSON (or YAML, already parsed), as files and REST servers have it. Resources are
// encoded, so that all else goes the way of the streams; a resource that cannot be harms only itself.

import { err, formatFieldError, ok, type Result } from '../../common/result.ts';
import {
  decodeDiscoveryResponse,
  type ResourceBytes,
  unwrapResource,
} from '../../proto/discovery.ts';
import { messageFromJson } from '../../proto/json.ts';
import { type DecodedAny, isRecord } from '../../proto/plain.ts';
import type { Update } from './resource-source.ts';

const RESPONSE = 'envoy.service.discovery.v3.DiscoveryResponse';
const ANY = 'google.protobuf.Any';

export interface SourceResponse extends Pick<Update, 'resources' | 'versionText'> {
  readonly broken: NonNullable<Update['broken']>;
  /** Unknown fields: they are passed over, as in what comes by gRPC. */
  readonly warnings: readonly string[];
}

/** The error says all that is wrong with the response around the resources. */
export function responseFromJson(value: unknown): Result<SourceResponse, string> {
  if (!isRecord(value)) return err('is no DiscoveryResponse: not an object');
  const { resources: items = [], ...around } = value;
  if (!Array.isArray(items)) return err('resources: expected an array');
  const read = messageFromJson(RESPONSE, around, { unknownFields: 'warn' });
  if (!read.ok) return err(read.errors.map(formatFieldError).join(', '));
  const versionText = read.value.message.version_info ?? '';
  const warnings = read.value.warnings.map(formatFieldError);
  const resources: ResourceBytes[] = [];
  const broken: { name: string; details: string }[] = [];
  items.forEach((item: unknown, i) => {
    const any = messageFromJson(ANY, item, { unknownFields: 'warn' });
    const at = `resources[${i}]`;
    if (!any.ok) {
      broken.push({ name: nameIn(item), details: any.errors.map(formatFieldError).join(', ') });
      return;
    }
    for (const warning of any.value.warnings) warnings.push(`${at}.${formatFieldError(warning)}`);
    // What the reader makes of that type.
    const { type_url: typeUrl, message, value: bytes } = any.value.message as unknown as DecodedAny;
    if (message === null) {
      broken.push({ name: nameIn(item), details: `unknown type ${JSON.stringify(typeUrl)}` });
    } else {
      resources.push(named({ typeUrl, value: bytes }, versionText));
    }
  });
  return ok({ versionText, resources, broken, warnings });
}

/** The same of encoded bytes; throws when they are none. */
export function responseFromBytes(bytes: Uint8Array): SourceResponse {
  const { versionInfo, resources } = decodeDiscoveryResponse(bytes);
  return {
    versionText: versionInfo,
    resources: resources.map((any) => named(any, versionInfo)),
    broken: [],
    warnings: [],
  };
}

function named(any: Parameters<typeof unwrapResource>[0], version: string): ResourceBytes {
  const wrapped = unwrapResource(any);
  return wrapped === null ? { name: '', version, resource: any } : { ...wrapped, version };
}

/** Of a resource that cannot be read as a whole; '' = not even that. */
function nameIn(item: unknown): string {
  if (!isRecord(item)) return '';
  const name = item['name'] ?? item['cluster_name'] ?? item['clusterName'];
  return typeof name === 'string' ? name : '';
}
