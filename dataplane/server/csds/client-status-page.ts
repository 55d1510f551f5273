// POST /v3/discovery:client_status of the admin interface: FetchClientStatus over REST, as the service's proto has it. Envoy's
// admin interface has no such page; gRPC libraries serve the same over gRPC (csds-service.ts).

import { CodedError } from '../../../common/coded-error.ts';
import { formatFieldError } from '../../../common/result.ts';
import type { ClientStatusRequestProto } from '../../../proto/gen/types.ts';
import { messageFromJson } from '../../../proto/json.ts';
import type { JsonValue } from '../../../proto/plain.ts';
import { type AdminPage, type AdminReply, json, text } from '../admin/router.ts';
import type { AdminSources } from '../admin/sources.ts';

const REQUEST = 'envoy.service.status.v3.ClientStatusRequest';

export function clientStatusPage(sources: Pick<AdminSources, 'clientStatus'>): AdminPage {
  return {
    path: '/v3/discovery:client_status',
    method: 'POST',
    help: 'what the xDS client has of each resource (ClientStatusRequest in JSON; also over gRPC)',
    params: [],
    takesBody: true,
    handle: (_query, body = '') => answer(sources, body),
  };
}

function answer(sources: Pick<AdminSources, 'clientStatus'>, body: string): AdminReply {
  let parsed: JsonValue;
  try {
    parsed = body.trim() === '' ? {} : (JSON.parse(body) as JsonValue); // it is nothing else
  } catch {
    return text('the body is no JSON\n', 400);
  }
  const request = messageFromJson(REQUEST, parsed, { unknownFields: 'error' });
  if (!request.ok) return text(`${request.errors.map(formatFieldError).join('\n')}\n`, 400);
  try {
    // Read as that very type.
    return json(sources.clientStatus(request.value.message as ClientStatusRequestProto));
  } catch (thrown) {
    if (thrown instanceof CodedError) return text(`${thrown.message}\n`, 400);
    throw thrown;
  }
}
