// envoy.filters.http.grpc_json_transcoder, worker half: clients speak JSON over HTTP, upstreams gRPC.
//
//   decodeHeaders: a binding? --no--> pass through (or 404 / 400)
//        | yes: POST /package.Service/Method, application/grpc
//   body --RequestBody--> frames        (a call without a client stream waits for all of it)
//   response frames --ResponseBody--> JSON   (a call without a server stream waits for its trailers, whose
//                                             grpc-status becomes the HTTP status)

import {
  grpcStatusIn,
  httpStatusOfGrpc,
  isGrpcContentType,
} from '../../../access-log/grpc-status.ts';
import type { HttpFilterContext, HttpFilterFactory } from '../../../api/factory.ts';
import {
  getField,
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
import type { StatField, StatsStore } from '../../../api/stats.ts';
import { isGrpcRequest } from '../../../hcm/local-reply.ts';
import { httpStatScope } from '../../../hcm/stats.ts';
import { PassThroughFilter } from '../../_shared/http-filter/pass-through-filter.ts';
import type { GrpcJsonTranscoderData } from './data.ts';
import { statusJson } from './grpc-error.ts';
import { JsonReader } from './json-reader.ts';
import { JsonWriter } from './json-writer.ts';
import { RequestBody, RequestFailure } from './request.ts';
import { type MatchedRequest, RequestMatcher } from './request-match.ts';
import { ResponseBody, ResponseFailure } from './response.ts';
import { Schema } from './schema.ts';

const EARLY_FAILURE = 'early_grpc_json_transcode_failure';
const FAILURE = 'grpc_json_transcode_failure';
const REQUEST_TOO_LARGE =
  "Request rejected because the transcoder's internal buffer size exceeds the configured limit.";
const RESPONSE_TOO_LARGE =
  "Response not transcoded because the transcoder's internal buffer size exceeds the configured limit.";

/** `http.<stat_prefix>.transcoder_*`: bytes that wait for the rest of their message. */
class TranscoderStats {
  static readonly stats: readonly StatField[] = [
    { field: 'requestBufferBytes', name: 'transcoder_request_buffer_bytes', kind: 'gauge' },
    { field: 'responseBufferBytes', name: 'transcoder_response_buffer_bytes', kind: 'gauge' },
  ];
  requestBufferBytes = 0;
  responseBufferBytes = 0;
}

/** By their tables, which the configs of one update share where they name the same descriptor set. */
const schemas = new WeakMap<GrpcJsonTranscoderData['messages'], Map<boolean, Schema>>();

function schemaOf({ messages, enums, print }: GrpcJsonTranscoderData): Schema {
  let known = schemas.get(messages);
  if (known === undefined) {
    known = new Map();
    schemas.set(messages, known);
  }
  let schema = known.get(print.preserveProtoFieldNames);
  if (schema === undefined) {
    schema = new Schema(messages, enums, print.preserveProtoFieldNames);
    known.set(print.preserveProtoFieldNames, schema);
  }
  return schema;
}

/** Settings of the filter or of a route. The codecs are shared: each message is done in one go. */
class Transcoder {
  readonly data: GrpcJsonTranscoderData;
  readonly schema: Schema;
  readonly matcher: RequestMatcher;
  readonly reader: JsonReader;
  readonly writer: JsonWriter;

  constructor(data: GrpcJsonTranscoderData) {
    this.data = data;
    this.schema = schemaOf(data);
    this.matcher = new RequestMatcher(data, this.schema);
    this.reader = new JsonReader(
      this.schema,
      data.caseInsensitiveEnumParsing,
      data.rejectBindingBodyFieldCollisions,
    );
    this.writer = new JsonWriter(this.schema, data.print);
  }
}

class TranscoderFilterConfig implements HttpFilterConfig {
  readonly transcoder: Transcoder;
  readonly stats = new TranscoderStats();
  readonly #store: StatsStore;

  constructor(data: GrpcJsonTranscoderData, context: HttpFilterContext) {
    this.transcoder = new Transcoder(data);
    this.#store = context.worker.stats;
    this.#store.add(httpStatScope(context.statPrefix), this.stats);
  }

  createFilter(): StreamFilter {
    return new TranscoderFilter(this);
  }

  dispose(): void {
    this.#store.remove(this.stats);
  }
}

class TranscoderFilter extends PassThroughFilter {
  readonly #stats: TranscoderStats;
  #transcoder: Transcoder;
  /** Null = the stream passes through as it is. */
  #match: MatchedRequest | null;
  #requestBody: RequestBody | null;
  #responseBody: ResponseBody | null;
  #responseHeaders: ResponseHeaders | null;
  /** A message came, so that an error is no longer all there is to say. */
  #hasResponseBody: boolean;
  /** What this stream counts for in the gauges. */
  #requestBytes: number;
  #responseBytes: number;

  constructor(config: TranscoderFilterConfig) {
    super();
    this.#stats = config.stats;
    this.#transcoder = config.transcoder;
    this.#match = null;
    this.#requestBody = null;
    this.#responseBody = null;
    this.#responseHeaders = null;
    this.#hasResponseBody = false;
    this.#requestBytes = 0;
    this.#responseBytes = 0;
  }

  override onDestroy(): void {
    this.#countRequest(0);
    this.#countResponse(0);
  }

  // ---- request path ----

  override decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    const callbacks = this.decoderCallbacks!;
    const route = callbacks.routeSpecificConfig();
    if (route instanceof Transcoder) this.#transcoder = route;
    const { data, matcher, reader } = this.#transcoder;
    if (data.isDisabled || isGrpcRequest(headers)) return FilterHeadersStatus.Continue;
    const match = matcher.match(headers.method, headers.path);
    if ('message' in match) {
      const isRejected =
        match.isMalformed ||
        (match.isNotFound ? data.rejectUnknownMethod : data.rejectUnknownQueryParameters);
      if (!isRejected) return FilterHeadersStatus.Continue;
      const code = match.isNotFound ? 'NOT_FOUND' : 'INVALID_ARGUMENT';
      const details = `${EARLY_FAILURE}{${code}}`;
      callbacks.sendLocalReply(match.isNotFound ? 404 : 400, match.message, null, details);
      return FilterHeadersStatus.StopIteration;
    }
    const { binding } = match;
    const contentType = binding.isHttpBodyRequest
      ? (getField(headers.fields, 'content-type') ?? '')
      : '';
    const limitBytes = data.maxRequestBodySize ?? callbacks.decoderBufferLimit();
    const body = new RequestBody(match, reader, limitBytes, contentType);
    this.#match = match;
    this.#requestBody = body;
    toGrpcRequest(headers, binding.method.path);
    if (!data.matchIncomingRequestRoute) callbacks.clearRouteCache();
    if (endStream) {
      if (!body.finish()) {
        this.#rejectRequest(body, EARLY_FAILURE);
        return FilterHeadersStatus.StopIteration;
      }
      const frames = body.takeFrames();
      if (frames.length > 0) callbacks.addDecodedData(frames);
      return FilterHeadersStatus.Continue;
    }
    return body.isStreaming ? FilterHeadersStatus.Continue : FilterHeadersStatus.StopIteration;
  }

  override decodeData(data: Buffer, endStream: boolean): FilterDataStatus {
    const body = this.#requestBody;
    if (body === null) return FilterDataStatus.Continue;
    if (!body.push(data) || (endStream && !body.finish())) {
      this.#rejectRequest(body, FAILURE);
      return FilterDataStatus.StopIterationNoBuffer;
    }
    this.#countRequest(endStream ? 0 : body.bytes);
    const frames = body.takeFrames();
    if (frames.length === 0 && !endStream) return FilterDataStatus.StopIterationNoBuffer;
    this.decoderCallbacks!.replaceDecodedData(frames);
    return FilterDataStatus.Continue;
  }

  override decodeTrailers(): FilterTrailersStatus {
    const body = this.#requestBody;
    if (body === null) return FilterTrailersStatus.Continue;
    this.#countRequest(0);
    if (!body.finish()) {
      this.#rejectRequest(body, FAILURE);
      return FilterTrailersStatus.StopIteration;
    }
    const frames = body.takeFrames();
    if (frames.length > 0) this.decoderCallbacks!.addDecodedData(frames);
    return FilterTrailersStatus.Continue;
  }

  #rejectRequest(body: RequestBody, detail: string): void {
    this.#match = null;
    this.#requestBody = null;
    this.#countRequest(0);
    const callbacks = this.decoderCallbacks!;
    if (body.failure === RequestFailure.TooLarge) {
      const details = `${FAILURE}{request_buffer_size_limit_reached}`;
      callbacks.sendLocalReply(413, REQUEST_TOO_LARGE, null, details);
    } else callbacks.sendLocalReply(400, body.error, null, `${detail}{INVALID_ARGUMENT}`);
  }

  // ---- response path ----

  override encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus {
    const match = this.#match;
    if (match === null || !isGrpcResponse(headers, endStream)) {
      // A local reply, or an upstream that does not speak gRPC.
      this.#match = null;
      return FilterHeadersStatus.Continue;
    }
    const { method, httpBodyResponsePath } = match.binding;
    const { data, schema, writer } = this.#transcoder;
    const isStreaming = method.isServerStreaming;
    this.#responseHeaders = headers;
    this.#responseBody = new ResponseBody(
      method,
      httpBodyResponsePath,
      schema.message(method.output),
      writer,
      data.print.streamStyle,
      data.maxResponseBodySize ?? this.decoderCallbacks!.decoderBufferLimit(),
    );
    if (!endStream || isStreaming) {
      const isSse = isStreaming && data.print.streamStyle === 'sse';
      setField(headers.fields, 'content-type', isSse ? 'text/event-stream' : 'application/json');
    }
    removeField(headers.fields, 'content-length');
    if (endStream) {
      this.#finishResponse(headers.fields, true);
      return FilterHeadersStatus.Continue;
    }
    return isStreaming && httpBodyResponsePath === null
      ? FilterHeadersStatus.Continue
      : FilterHeadersStatus.StopIteration;
  }

  override encodeData(data: Buffer, endStream: boolean): FilterDataStatus {
    const match = this.#match;
    const body = this.#responseBody;
    if (match === null || body === null) return FilterDataStatus.Continue;
    this.#hasResponseBody = true;
    if (!body.push(data) || (endStream && !body.finish())) {
      this.#rejectResponse(body);
      return FilterDataStatus.StopIterationNoBuffer;
    }
    this.#countResponse(endStream ? 0 : body.bytes);
    this.#takeContentType(body);
    if (!match.binding.method.isServerStreaming && !endStream) {
      return FilterDataStatus.StopIterationNoBuffer;
    }
    const text = body.take();
    if (text.length === 0 && !endStream) return FilterDataStatus.StopIterationNoBuffer;
    this.encoderCallbacks!.replaceEncodedData(text);
    return FilterDataStatus.Continue;
  }

  override encodeTrailers(trailers: Trailers): FilterTrailersStatus {
    if (this.#match === null || this.#responseBody === null) return FilterTrailersStatus.Continue;
    return this.#finishResponse(trailers, false)
      ? FilterTrailersStatus.Continue
      : FilterTrailersStatus.StopIteration;
  }

  /** `fields`: the trailers, or the head that is all of the response. False = it was given up. */
  #finishResponse(fields: HeaderFields, isTrailersOnly: boolean): boolean {
    const body = this.#responseBody!;
    const headers = this.#responseHeaders!;
    const isStreaming = this.#match!.binding.method.isServerStreaming;
    this.#countResponse(0);
    const grpcStatus = grpcStatusIn(fields);
    if (grpcStatus > 0 && this.#convertStatus(grpcStatus, fields, isTrailersOnly)) return true;
    if (!body.finish()) {
      this.#rejectResponse(body);
      return false;
    }
    const text = body.take();
    if (text.length > 0) this.encoderCallbacks!.addEncodedData(text);
    // The head of a stream is on its way already.
    if (isStreaming && !isTrailersOnly) return true;
    headers.status = grpcStatus < 0 ? 503 : httpStatusOfGrpc(grpcStatus);
    if (!isTrailersOnly) {
      if (grpcStatus >= 0) setField(headers.fields, 'grpc-status', String(grpcStatus));
      const message = getField(fields, 'grpc-message');
      if (message !== null) setField(headers.fields, 'grpc-message', message);
    }
    this.#removeTrailerHeader(headers);
    if (!isStreaming) setField(headers.fields, 'content-length', String(text.length));
    return true;
  }

  /** False = convert_grpc_status is off, or the status is left to the headers. */
  #convertStatus(grpcStatus: number, fields: HeaderFields, isTrailersOnly: boolean): boolean {
    const { data, schema, writer } = this.#transcoder;
    if (data.statusType === -1 || this.#hasResponseBody) return false;
    const json = statusJson(grpcStatus, fields, schema.message(data.statusType), writer);
    if (json === null) return false;
    const headers = this.#responseHeaders!;
    headers.status = httpStatusOfGrpc(grpcStatus);
    if (isTrailersOnly) {
      for (const name of STATUS_FIELDS) removeField(headers.fields, name);
    }
    this.#removeTrailerHeader(headers);
    setField(headers.fields, 'content-type', 'application/json');
    setField(headers.fields, 'content-length', String(json.length));
    this.encoderCallbacks!.addEncodedData(json);
    return true;
  }

  /** HTTP/1 clients get no trailers of ours. */
  #removeTrailerHeader(headers: ResponseHeaders): void {
    if (this.encoderCallbacks!.streamInfo.protocol !== 'HTTP/2') {
      removeField(headers.fields, 'trailer');
    }
  }

  #takeContentType(body: ResponseBody): void {
    if (body.contentType === null || this.#responseHeaders === null) return;
    setField(this.#responseHeaders.fields, 'content-type', body.contentType);
  }

  #rejectResponse(body: ResponseBody): void {
    this.#match = null;
    this.#countResponse(0);
    const callbacks = this.encoderCallbacks!;
    switch (body.failure) {
      case ResponseFailure.TooLarge: {
        const details = `${FAILURE}{response_buffer_size_limit_reached}`;
        callbacks.sendLocalReply(500, RESPONSE_TOO_LARGE, null, details);
        return;
      }
      case ResponseFailure.BadFrames:
        callbacks.sendLocalReply(502, body.error, null, `${FAILURE}{INTERNAL}`);
        return;
      default:
        callbacks.sendLocalReply(502, body.error, null, `${FAILURE}{INVALID_ARGUMENT}`);
    }
  }

  // ---- gauges ----

  #countRequest(bytes: number): void {
    this.#stats.requestBufferBytes += bytes - this.#requestBytes;
    this.#requestBytes = bytes;
  }

  #countResponse(bytes: number): void {
    this.#stats.responseBufferBytes += bytes - this.#responseBytes;
    this.#responseBytes = bytes;
  }
}

const STATUS_FIELDS = ['grpc-status', 'grpc-message', 'grpc-status-details-bin'] as const;

function toGrpcRequest(headers: RequestHeaders, path: string): void {
  const { fields } = headers;
  removeField(fields, 'content-length');
  setField(fields, 'content-type', 'application/grpc');
  setField(fields, 'x-envoy-original-path', headers.path);
  setField(fields, 'x-envoy-original-method', headers.method);
  setField(fields, 'te', 'trailers');
  headers.path = path;
  headers.method = 'POST';
}

function isGrpcResponse(headers: ResponseHeaders, endStream: boolean): boolean {
  const { fields, status } = headers;
  if (endStream) return getField(fields, 'grpc-status') !== null;
  return status === 200 && isGrpcContentType(getField(fields, 'content-type'));
}

/** The worker half; data is GrpcJsonTranscoderData, per route too. */
export const grpcJsonTranscoder: HttpFilterFactory = {
  name: 'envoy.filters.http.grpc_json_transcoder',
  create(data: unknown, context: HttpFilterContext): HttpFilterConfig {
    // The contract between the halves: config.ts made it.
    return new TranscoderFilterConfig(data as GrpcJsonTranscoderData, context);
  },
  createRouteConfig(data: unknown): unknown {
    return new Transcoder(data as GrpcJsonTranscoderData);
  },
};
