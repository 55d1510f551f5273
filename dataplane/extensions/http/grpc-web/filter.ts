// envoy.filters.http.grpc_web, worker half: browsers speak gRPC-Web, upstreams gRPC. Requests change their
// content-type (and are decoded from base64), responses carry their trailers as one more frame of the body. What
// an upstream, or a local reply, says in plain HTTP becomes a grpc-status and grpc-message in the head.
//
//   request   application/grpc-web[-text][+proto] --> application/grpc
//   response  application/grpc --> frames, frame 0x80 of trailers; base64 if `accept` says -text

import { isGrpcContentType } from '../../../access-log/grpc-status.ts';
import type { ClusterManager } from '../../../api/cluster.ts';
import type { HttpFilterContext, HttpFilterFactory } from '../../../api/factory.ts';
import {
  findField,
  getField,
  getJoinedField,
  type HeaderFields,
  type RequestHeaders,
  type ResponseHeaders,
  removeField,
  setField,
  type Trailers,
} from '../../../api/headers.ts';
import {
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type HttpFilterConfig,
  type StreamFilter,
} from '../../../api/http-filter.ts';
import { grpcStatusOf, percentEncode } from '../../../hcm/local-reply.ts';
import { frameHeader } from '../../_shared/grpc/frame-scanner.ts';
import { parseMethodPath } from '../../_shared/grpc/method-path.ts';
import { PassThroughFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import { Base64Decoder, Base64Encoder } from './base64.ts';

const EMPTY = Buffer.alloc(0);
/** Of an answer in plain HTTP, as much goes into grpc-message (Envoy's limit). */
export const MAX_MESSAGE_BYTES = 16_384;
const TRAILERS_FLAG = 0x80;

class GrpcWebConfig implements HttpFilterConfig {
  readonly clusterManager: ClusterManager;

  constructor(clusterManager: ClusterManager) {
    this.clusterManager = clusterManager;
  }

  createFilter(): StreamFilter {
    return new GrpcWebFilter(this.clusterManager);
  }
}

class GrpcWebFilter extends PassThroughFilter {
  readonly #clusterManager: ClusterManager;
  /** Of a gRPC-Web request; '' = it is none, and nothing is done. */
  #path: string;
  /** Of a request in base64. */
  #textRequest: Base64Decoder | null;
  #isTextResponse: boolean;
  #textResponse: Base64Encoder | null;
  /** Of a response in plain HTTP, which is held back. */
  #plainHeaders: ResponseHeaders | null;
  #plainBody: Buffer[];
  #plainBytes: number;

  constructor(clusterManager: ClusterManager) {
    super();
    this.#clusterManager = clusterManager;
    this.#path = '';
    this.#textRequest = null;
    this.#isTextResponse = false;
    this.#textResponse = null;
    this.#plainHeaders = null;
    this.#plainBody = [];
    this.#plainBytes = 0;
  }

  // ---- request ----

  override decodeHeaders(headers: RequestHeaders): FilterHeadersStatus {
    const { fields } = headers;
    const contentType = getField(fields, 'content-type');
    const isText = isTextType(contentType);
    if (!isText && !isBinaryType(contentType)) return FilterHeadersStatus.Continue;
    this.#path = headers.path;
    if (isText) this.#textRequest = new Base64Decoder();
    this.#isTextResponse = isTextType(getField(fields, 'accept'));
    removeField(fields, 'content-length');
    setField(fields, 'content-type', 'application/grpc');
    setField(fields, 'te', 'trailers');
    // What a browser could not unpack must not come back.
    if (findField(fields, 'grpc-accept-encoding') === -1) {
      fields.push('grpc-accept-encoding', 'identity');
    }
    return FilterHeadersStatus.Continue;
  }

  override decodeData(data: Buffer, endStream: boolean): FilterDataStatus {
    const text = this.#textRequest;
    if (text === null) return FilterDataStatus.Continue;
    const bytes = text.decode(data);
    if (bytes === null) return this.#refuse('grpc_base_64_decode_failed');
    if (endStream && text.isIncomplete) return this.#refuse('grpc_base_64_decode_failed_bad_size');
    if (bytes.length === 0 && !endStream) return FilterDataStatus.StopIterationNoBuffer;
    this.decoderCallbacks!.replaceDecodedData(bytes);
    return FilterDataStatus.Continue;
  }

  override decodeTrailers(): FilterTrailersStatus {
    if (this.#textRequest === null || !this.#textRequest.isIncomplete) {
      return FilterTrailersStatus.Continue;
    }
    this.#refuse('grpc_base_64_decode_failed_bad_size');
    return FilterTrailersStatus.StopIteration;
  }

  #refuse(details: string): FilterDataStatus {
    const message = 'Bad gRPC-web request, invalid base64 data.';
    this.decoderCallbacks!.sendLocalReply(400, message, null, details);
    return FilterDataStatus.StopIterationNoBuffer;
  }

  // ---- response ----

  override encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus {
    if (this.#path === '') return FilterHeadersStatus.Continue;
    const { fields } = headers;
    this.#chargeStatus(fields);
    const isPlain = !endStream && !isGrpcResponse(headers);
    const suffix = this.#isTextResponse ? '-text+proto' : '+proto';
    setField(fields, 'content-type', `application/grpc-web${suffix}`);
    if (isPlain) {
      this.#plainHeaders = headers;
      return FilterHeadersStatus.StopIteration;
    }
    // It grows by a frame of trailers, and as text.
    if (!endStream) removeField(fields, 'content-length');
    if (this.#isTextResponse) this.#textResponse = new Base64Encoder();
    return FilterHeadersStatus.Continue;
  }

  override encodeData(data: Buffer, endStream: boolean): FilterDataStatus {
    if (this.#plainHeaders !== null) {
      this.#keepPlain(data);
      if (!endStream) return FilterDataStatus.StopIterationNoBuffer;
      this.#translatePlain(this.#plainHeaders);
      this.encoderCallbacks!.replaceEncodedData(EMPTY);
      return FilterDataStatus.Continue;
    }
    const encoder = this.#textResponse;
    if (encoder === null) return FilterDataStatus.Continue;
    let text = encoder.encode(data);
    if (endStream) text += encoder.flush();
    else if (text === '') return FilterDataStatus.StopIterationNoBuffer;
    this.encoderCallbacks!.replaceEncodedData(Buffer.from(text, 'latin1'));
    return FilterDataStatus.Continue;
  }

  override encodeTrailers(trailers: Trailers): FilterTrailersStatus {
    if (this.#path === '') return FilterTrailersStatus.Continue;
    this.#chargeStatus(trailers);
    if (this.#plainHeaders !== null) {
      this.#translatePlain(this.#plainHeaders);
      return FilterTrailersStatus.Continue;
    }
    const frame = trailersFrame(trailers);
    trailers.length = 0;
    this.encoderCallbacks!.addEncodedData(
      this.#textResponse === null
        ? frame
        : Buffer.from(this.#textResponse.flush() + frame.toString('base64'), 'latin1'),
    );
    return FilterTrailersStatus.Continue;
  }

  override onDestroy(): void {
    this.#plainBody = [];
  }

  #keepPlain(data: Buffer): void {
    const room = MAX_MESSAGE_BYTES - this.#plainBytes;
    if (room === 0 || data.length === 0) return;
    // A copy: what was read lies in memory that is read into again.
    const kept = Buffer.from(data.subarray(0, room));
    this.#plainBytes += kept.length;
    this.#plainBody.push(kept);
  }

  #translatePlain({ status, fields }: ResponseHeaders): void {
    const message = Buffer.concat(this.#plainBody).toString('latin1');
    setField(fields, 'grpc-message', percentEncode(message));
    setField(fields, 'grpc-status', String(grpcStatusOf(status)));
    setField(fields, 'content-length', '0');
  }

  #chargeStatus(fields: HeaderFields): void {
    const status = getJoinedField(fields, 'grpc-status');
    const method = status === null ? null : parseMethodPath(this.#path);
    if (status === null || method === null) return;
    const callbacks = this.decoderCallbacks!;
    const ofRoute = callbacks.route()?.clusterName ?? '';
    const clusterName = ofRoute === '' ? callbacks.streamInfo.upstreamCluster : ofRoute;
    const stats = this.#clusterManager.getCluster(clusterName)?.stats;
    stats?.grpcCalls('grpc-web', method.service, method.method).chargeStatus(status);
  }
}

function isBinaryType(type: string | null): boolean {
  return type === 'application/grpc-web' || type === 'application/grpc-web+proto';
}

function isTextType(type: string | null): boolean {
  return type === 'application/grpc-web-text' || type === 'application/grpc-web-text+proto';
}

function isGrpcResponse({ status, fields }: ResponseHeaders): boolean {
  if (status !== 200) return false;
  const contentType = getField(fields, 'content-type');
  return isGrpcContentType(contentType) || isBinaryType(contentType);
}

/** `name:value` lines, each with CRLF, behind the header of a frame (PROTOCOL-WEB.md). */
function trailersFrame(trailers: Trailers): Buffer {
  let lines = '';
  for (let i = 0; i < trailers.length; i += 2) lines += `${trailers[i]}:${trailers[i + 1]}\r\n`;
  const body = Buffer.from(lines, 'latin1');
  return Buffer.concat([frameHeader(TRAILERS_FLAG, body.length), body]);
}

/** The worker half; there is no data. */
export const grpcWeb: HttpFilterFactory = {
  name: 'envoy.filters.http.grpc_web',
  create(_data: unknown, context: HttpFilterContext): HttpFilterConfig {
    return new GrpcWebConfig(context.worker.clusterManager);
  },
};
