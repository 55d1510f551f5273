// envoy.filters.http.grpc_http1_bridge, worker half: lets HTTP/1.1 clients that know no trailers call unary gRPC
// methods. The response is held until its trailers are there; their grpc-status goes into its head, and a failed
// call becomes a 503. With upgrade_protobuf_to_grpc it also packs and unpacks the one message.

import { grpcStatusIn, isGrpcContentType } from '../../../access-log/grpc-status.ts';
import type { HttpFilterContext, HttpFilterFactory } from '../../../api/factory.ts';
import {
  getField,
  getJoinedField,
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
import { FRAME_HEADER_BYTES, frameHeader } from '../../_shared/grpc/frame-scanner.ts';
import { PassThroughFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import type { GrpcHttp1BridgeData } from './data.ts';

class GrpcHttp1BridgeConfig implements HttpFilterConfig {
  readonly data: GrpcHttp1BridgeData;

  constructor(data: GrpcHttp1BridgeData) {
    this.data = data;
  }

  createFilter(): StreamFilter {
    return new GrpcHttp1BridgeFilter(this.data);
  }
}

class GrpcHttp1BridgeFilter extends PassThroughFilter {
  readonly #data: GrpcHttp1BridgeData;
  #isBridging: boolean;
  /** The request was protobuf: its message is packed, that of the response unpacked. */
  #isFraming: boolean;
  /** Of the request's message; -1 = nothing of it has come. */
  #messageBytes: number;
  #responseHeaders: ResponseHeaders | null;
  /** Of the frame in front of the response's message, what is still to come. */
  #headerLeft: number;

  constructor(data: GrpcHttp1BridgeData) {
    super();
    this.#data = data;
    this.#isBridging = false;
    this.#isFraming = false;
    this.#messageBytes = -1;
    this.#responseHeaders = null;
    this.#headerLeft = 0;
  }

  override decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    const callbacks = this.decoderCallbacks!;
    if (!callbacks.streamInfo.protocol.startsWith('HTTP/1')) return FilterHeadersStatus.Continue;
    const contentType = getField(headers.fields, 'content-type');
    this.#isFraming = this.#data.upgradeProtobufToGrpc && contentType === 'application/x-protobuf';
    this.#isBridging = this.#isFraming || isGrpcContentType(contentType);
    if (!this.#isBridging) return FilterHeadersStatus.Continue;
    if (this.#data.ignoreQueryParameters) headers.path = withoutQuery(headers.path);
    if (!this.#isFraming) return FilterHeadersStatus.Continue;
    setField(headers.fields, 'content-type', 'application/grpc');
    removeField(headers.fields, 'content-length');
    callbacks.clearRouteCache();
    // No body is the protobuf of an empty message, which gRPC wants to see.
    if (endStream && headers.method === 'POST') callbacks.addDecodedData(frameHeader(0, 0));
    return FilterHeadersStatus.Continue;
  }

  /** The length stands in front of the message, so all of it is waited for (413 past the limit). */
  override decodeData(data: Buffer, endStream: boolean): FilterDataStatus {
    if (!this.#isFraming) return FilterDataStatus.Continue;
    const callbacks = this.decoderCallbacks!;
    if (this.#messageBytes === -1) {
      this.#messageBytes = data.length;
      callbacks.replaceDecodedData(Buffer.concat([frameHeader(0, data.length), data]));
    } else {
      this.#messageBytes += data.length;
      if (endStream) this.#correctLength();
    }
    return endStream ? FilterDataStatus.Continue : FilterDataStatus.StopIterationAndBuffer;
  }

  override decodeTrailers(): FilterTrailersStatus {
    if (!this.#isFraming) return FilterTrailersStatus.Continue;
    if (this.#messageBytes === -1) this.decoderCallbacks!.addDecodedData(frameHeader(0, 0));
    else this.#correctLength();
    return FilterTrailersStatus.Continue;
  }

  override encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus {
    // A trailers-only response has its grpc-status in the head already; Envoy leaves it a 200.
    if (!this.#isBridging || endStream) return FilterHeadersStatus.Continue;
    this.#responseHeaders = headers;
    const isGrpc =
      headers.status === 200 && isGrpcContentType(getField(headers.fields, 'content-type'));
    if (this.#isFraming && isGrpc) {
      this.#headerLeft = FRAME_HEADER_BYTES;
      removeField(headers.fields, 'content-length');
    }
    return FilterHeadersStatus.StopIteration;
  }

  override encodeData(data: Buffer, endStream: boolean): FilterDataStatus {
    if (!this.#isBridging) return FilterDataStatus.Continue;
    if (this.#headerLeft > 0) {
      const taken = Math.min(this.#headerLeft, data.length);
      this.#headerLeft -= taken;
      if (taken === data.length && !endStream) return FilterDataStatus.StopIterationNoBuffer;
      this.encoderCallbacks!.replaceEncodedData(data.subarray(taken));
    }
    return endStream ? FilterDataStatus.Continue : FilterDataStatus.StopIterationAndBuffer;
  }

  override encodeTrailers(trailers: Trailers): FilterTrailersStatus {
    const headers = this.#responseHeaders;
    if (!this.#isBridging || headers === null) return FilterTrailersStatus.Continue;
    const status = getJoinedField(trailers, 'grpc-status');
    if (status !== null) {
      if (grpcStatusIn(trailers) !== 0) headers.status = 503;
      setField(headers.fields, 'grpc-status', status);
    }
    const message = getJoinedField(trailers, 'grpc-message');
    if (message !== null) setField(headers.fields, 'grpc-message', message);
    // All of it is there: with a length the client sees whether all of it arrived.
    let bytes = 0;
    const body = this.encoderCallbacks!.encodingBuffer();
    for (let i = 0; i < body.length; i++) bytes += body[i]!.length;
    setField(headers.fields, 'content-length', String(bytes));
    return FilterTrailersStatus.Continue;
  }

  override onDestroy(): void {
    this.#responseHeaders = null;
  }

  /** In the frame that went before the first piece, which lies in the buffer ever since. */
  #correctLength(): void {
    this.decoderCallbacks!.decodingBuffer()[0]!.writeUInt32BE(this.#messageBytes, 1);
  }
}

function withoutQuery(path: string): string {
  const query = path.indexOf('?');
  return query === -1 ? path : path.slice(0, query);
}

/** The worker half; data is GrpcHttp1BridgeData. */
export const grpcHttp1Bridge: HttpFilterFactory = {
  name: 'envoy.filters.http.grpc_http1_bridge',
  create(data: unknown, _context: HttpFilterContext): HttpFilterConfig {
    // The contract between the halves: config.ts made it.
    return new GrpcHttp1BridgeConfig(data as GrpcHttp1BridgeData);
  },
};
