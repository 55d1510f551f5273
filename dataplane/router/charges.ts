// Stats of one stream's answers: the cluster's upstream_rq_<code> and the host's rq_success and rq_error.
// Called by the router filter's parts; decides nothing.

import { httpStatusOfGrpc } from '../access-log/grpc-status.ts';
import { getField, type ResponseHeaders } from '../api/headers.ts';
import type { Host } from '../api/host.ts';
import { RequestTrait } from './control-headers.ts';
import type { RouterStream } from './stream-state.ts';
import type { UpstreamRequest } from './upstream-request.ts';

/** dynamic_stats, and it is no health check (Envoy counts none by their answers). */
export function isCharged({ config, streamInfo }: RouterStream): boolean {
  return config.dynamicStats && !streamInfo.isHealthCheck;
}

/** `host` null = none took part. */
export function chargeCode(stream: RouterStream, status: number, host: Host | null): void {
  if (!isCharged(stream)) return;
  const isInternal = (stream.traits & RequestTrait.Internal) !== 0;
  stream.cluster!.stats.chargeResponseCode(status, isInternal, host?.canary ?? false);
  if (host === null) return;
  stream.cluster!.stats.chargeZone(host.zone, status);
  if (status >= 500 && status <= 599) host.stats.rqError++;
}

/** A response's head that goes to the client. */
export function chargeResponse(stream: RouterStream, headers: ResponseHeaders, host: Host): void {
  const { status } = headers;
  if (!isCharged(stream)) return;
  const isInternal = (stream.traits & RequestTrait.Internal) !== 0;
  const isCanary = host.canary || getField(headers.fields, 'x-envoy-upstream-canary') === 'true';
  stream.cluster!.stats.chargeResponseCode(status, isInternal, isCanary);
  stream.cluster!.stats.chargeZone(host.zone, status);
  if (status >= 500 && status <= 599) host.stats.rqError++;
}

/** A response below 500. A gRPC one that goes on is counted at its trailers. */
export function countSuccess(
  stream: RouterStream,
  host: Host,
  isGrpc: boolean,
  grpcStatus: number,
  endStream: boolean,
): void {
  if (!isGrpc) host.stats.rqSuccess++;
  else if (!endStream) stream.isGrpcDeferred = true;
  else if (httpStatusOfGrpc(grpcStatus) < 500) host.stats.rqSuccess++;
  else host.stats.rqError++;
}

/** No host was to see the request: for load reports. Beside chargeCode. */
export function chargeDrop(stream: RouterStream): void {
  if (isCharged(stream)) stream.cluster!.stats.loadDropped++;
}

/** A try that ends without a response. */
export function chargeAbort(stream: RouterStream, status: number, request: UpstreamRequest): void {
  const { host, hostAttempted } = request;
  if (stream.responseStarted) {
    if (stream.isGrpcDeferred) {
      host.stats.rqError++;
      stream.config.stats.rqResetAfterDownstreamResponseStarted++;
    }
    return;
  }
  chargeCode(stream, status, hostAttempted ? host : null);
  if (hostAttempted && status < 500) host.stats.rqError++;
}
