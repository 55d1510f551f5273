// A served resource as JSON for people, secrets as their summary. Nothing else may show resources: what leaves
// here holds no key.

import { decodeMessage } from '../../proto/any.ts';
import { messageToJson } from '../../proto/json.ts';
import type { JsonValue } from '../../proto/plain.ts';
import { typeNameOfKind } from '../cache/kinds.ts';
import type { SnapshotResource } from '../cache/resource.ts';
import { secretSummary } from './secret-summary.ts';

const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';

/** Decoded anew at each call: made for questions that people ask. */
export function resourceToJson({ kind, name, bytes }: SnapshotResource): JsonValue {
  if (kind === 'secret') {
    const decoded = decodeMessage(SECRET, bytes);
    return decoded.ok ? secretSummary(decoded.value.message) : { name };
  }
  const typeName = typeNameOfKind(kind);
  const decoded = decodeMessage(typeName, bytes);
  return decoded.ok ? messageToJson(typeName, decoded.value.message, { redact: true }) : { name };
}
