// What the connection manager does to the head of every response, local replies included: hop-by-hop headers go, date,
// server, request id and via come. Called by active-stream as the last step before the codec.

import {
  findField,
  getField,
  type HeaderFields,
  type RequestHeaders,
  type ResponseHeaders,
  setField,
} from '../api/headers.ts';
import type { HttpConnectionManagerConfig } from './config.ts';
import { ResponseSeen, scanResponse } from './header-sanitize.ts';

/** `request` = its head, null if it was never complete. */
export function finishResponseHead(
  { fields }: ResponseHeaders,
  request: RequestHeaders | null,
  config: HttpConnectionManagerConfig,
): void {
  const { data } = config;
  const seen = scanResponse(fields);
  if ((seen & ResponseSeen.Date) === 0) fields.push('date', config.date.text());
  if ((seen & ResponseSeen.Server) === 0) {
    if (data.serverHeaderTransformation !== 'PASS_THROUGH') fields.push('server', data.serverName);
  } else if (data.serverHeaderTransformation === 'OVERWRITE') {
    setField(fields, 'server', data.serverName);
  }
  if (request !== null) echoRequestId(fields, request, data.alwaysSetRequestIdInResponse);
  if (data.via !== '') appendVia(fields, data.via, (seen & ResponseSeen.Via) !== 0);
}

function echoRequestId(fields: HeaderFields, request: RequestHeaders, always: boolean): void {
  if (!always && findField(request.fields, 'x-envoy-force-trace') === -1) return;
  const id = getField(request.fields, 'x-request-id');
  if (id !== null) setField(fields, 'x-request-id', id);
}

function appendVia(fields: HeaderFields, via: string, isPresent: boolean): void {
  if (!isPresent) {
    fields.push('via', via);
    return;
  }
  const at = findField(fields, 'via');
  fields[at + 1] = `${fields[at + 1]!}, ${via}`;
}
