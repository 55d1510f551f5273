// Local replies of one stream: when and by which way they go out. Called by the filter manager for filters, for
// decode-iteration (a reply from inside a callback) and for the stream. What a reply looks like: local-reply.ts.

import { byteString } from '../../common/byte-string.ts';
import { ResponseHeaders } from '../api/headers.ts';
import type { ModifyHeaders } from '../api/http-filter.ts';
import { DECODING, ENCODING, type FilterChain, type PreparedReply } from './chain-state.ts';
import { startResponse } from './encode-iteration.ts';
import { isGrpcRequest, type LocalReply, makeGrpcReply, makeLocalReply } from './local-reply.ts';

/**
 * Answers instead of the upstream: through the encoders, past them if the response is already among them, and
 * once it has begun only by a reset. From inside a decoder the reply waits until that filter has returned.
 */
export function sendLocalReply(
  manager: FilterChain,
  status: number,
  body: string,
  modify: ModifyHeaders | null,
  details: string,
  grpcStatus: number | null = null,
): void {
  if (manager.isDestroyed) return;
  if (manager.encodeComplete) {
    if (manager.isTunnel) manager.host.resetStream();
    return;
  }
  if ((manager.callState & DECODING) !== 0) manager.decodeAborted = true;
  else if ((manager.callState & ENCODING) !== 0) manager.encodeAborted = true;
  manager.streamInfo.responseCodeDetails = details;
  manager.host.onLocalReply(status);
  if (manager.responseHeaders === null) {
    manager.createFilterChain();
    const isDecoding = (manager.callState & DECODING) !== 0;
    // From inside a decoder: the reply waits until that filter has returned.
    if (isDecoding) manager.preparedReply ??= { status, body, modify, grpcStatus };
    else sendReplyThroughChain(manager, makeReply(manager, { status, body, modify, grpcStatus }));
  } else if (!manager.responseStarted) {
    sendReplyToCodec(manager, makeReply(manager, { status, body, modify, grpcStatus }));
  } else {
    manager.host.resetStream();
  }
}

/** The filter that replied has returned. */
export function sendPreparedReply(manager: FilterChain): void {
  const prepared = manager.preparedReply;
  if (prepared === null || manager.isDestroyed) return;
  manager.preparedReply = null;
  sendReplyThroughChain(manager, makeReply(manager, prepared));
}

function makeReply(
  manager: FilterChain,
  { status, body, modify, grpcStatus }: PreparedReply,
): LocalReply {
  manager.localReplyBody = body;
  const request = manager.host.requestHeaders;
  const isGrpc = manager.isGrpcRequest ?? (request !== null && isGrpcRequest(request));
  const isHead = request !== null && request.method === 'HEAD';
  const headers = new ResponseHeaders(status, []);
  // As in Envoy: the route's response headers first, then what the sender of the reply wants.
  manager.host.route()?.finalizeResponseHeaders(headers, request, manager.streamInfo);
  if (modify !== null) modify(headers);
  let bytes = byteString(body);
  let contentType = 'text/plain';
  const rewriter = manager.host.localReplyRewriter;
  if (rewriter !== null) {
    const before = headers.get('content-type');
    const rewritten = rewriter.rewrite(request, headers, manager.streamInfo, body);
    // A content-type that a mapper has set stays; that of a body which is no longer sent does not.
    if (rewritten.bytes !== bytes && headers.get('content-type') === before) {
      headers.remove('content-type');
    }
    ({ bytes, contentType } = rewritten);
  }
  if (isGrpc) return makeGrpcReply(headers, isHead ? '' : bytes, contentType, grpcStatus);
  return makeLocalReply(headers, bytes, contentType, isHead);
}

function sendReplyThroughChain(manager: FilterChain, reply: LocalReply): void {
  startResponse(manager, reply.headers, reply.body === null);
  if (reply.body !== null && !manager.encodeComplete) manager.encodeData(reply.body, true);
}

/** The response is already somewhere in the chain: filters must not see two heads. */
function sendReplyToCodec(manager: FilterChain, reply: LocalReply): void {
  manager.responseHeaders = reply.headers;
  manager.responseTrailers = null;
  manager.responseBody = null;
  manager.localComplete = true;
  manager.responseStarted = true;
  manager.encodeComplete = true;
  manager.host.encodeHeaders(reply.headers, reply.body === null);
  if (manager.isDestroyed) return;
  if (reply.body !== null) manager.host.encodeData(reply.body, true);
  if (!manager.isDestroyed) manager.host.onResponseComplete();
}
