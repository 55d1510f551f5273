// Base classes of HTTP filters, after Envoy's extensions/filters/http/common/pass_through_filter.h: what a filter
// does not care for passes it by. The heads have no default, as they are what a filter is there for. Extended by
// extensions/http/*/filter.ts, made per stream. The fields are `declare`d, so that the constructors' stores are the
// only ones: a class field is first defined as undefined, by code that sees the shapes of all filters, per stream.

import type { RequestHeaders, ResponseHeaders, Trailers } from '../../../api/headers.ts';
import {
  FilterDataStatus,
  type FilterHeadersStatus,
  FilterTrailersStatus,
  type StreamDecoderFilter,
  type StreamDecoderFilterCallbacks,
  type StreamEncoderFilter,
  type StreamEncoderFilterCallbacks,
  type StreamFilter,
} from '../../../api/http-filter.ts';

/** Of the request path only: lets bodies and trailers through, has nothing to let go of. */
export abstract class PassThroughDecoderFilter implements StreamFilter, StreamDecoderFilter {
  declare readonly decoder: StreamDecoderFilter;
  declare readonly encoder: StreamEncoderFilter | null;
  /** Null = not in a chain yet. */
  declare protected decoderCallbacks: StreamDecoderFilterCallbacks | null;

  constructor() {
    this.decoder = this;
    this.encoder = null;
    this.decoderCallbacks = null;
  }

  setDecoderFilterCallbacks(callbacks: StreamDecoderFilterCallbacks): void {
    this.decoderCallbacks = callbacks;
  }

  abstract decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus;

  decodeData(_data: Buffer, _endStream: boolean): FilterDataStatus {
    return FilterDataStatus.Continue;
  }

  decodeTrailers(_trailers: Trailers): FilterTrailersStatus {
    return FilterTrailersStatus.Continue;
  }

  onDestroy(): void {
    // Holds nothing.
  }
}

/** Of both directions, as one object: the same for responses. */
export abstract class PassThroughFilter
  extends PassThroughDecoderFilter
  implements StreamEncoderFilter
{
  declare readonly encoder: StreamEncoderFilter;
  /** Null = not in a chain yet. */
  declare protected encoderCallbacks: StreamEncoderFilterCallbacks | null;

  constructor() {
    super();
    this.encoder = this;
    this.encoderCallbacks = null;
  }

  setEncoderFilterCallbacks(callbacks: StreamEncoderFilterCallbacks): void {
    this.encoderCallbacks = callbacks;
  }

  abstract encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus;

  encodeData(_data: Buffer, _endStream: boolean): FilterDataStatus {
    return FilterDataStatus.Continue;
  }

  encodeTrailers(_trailers: Trailers): FilterTrailersStatus {
    return FilterTrailersStatus.Continue;
  }
}
