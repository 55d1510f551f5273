import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
} from '../../../api/http-filter.ts';
import { PassThroughDecoderFilter, PassThroughFilter } from './pass-through-filter.ts';

class RequestFilter extends PassThroughDecoderFilter {
  override decodeHeaders(): FilterHeadersStatus {
    return FilterHeadersStatus.StopIteration;
  }
}

class BothFilter extends PassThroughFilter {
  override decodeHeaders(): FilterHeadersStatus {
    return FilterHeadersStatus.StopIteration;
  }

  override encodeHeaders(): FilterHeadersStatus {
    return FilterHeadersStatus.StopIteration;
  }
}

const body = Buffer.from('x');

test('a decoder filter is in the request path only, and lets bodies and trailers through', () => {
  const filter = new RequestFilter();
  assert.equal(filter.decoder, filter);
  assert.equal(filter.encoder, null);
  assert.ok(!('encodeHeaders' in filter));
  assert.equal(filter.decodeData(body, true), FilterDataStatus.Continue);
  assert.equal(filter.decodeTrailers([]), FilterTrailersStatus.Continue);
});

test('a filter of both directions is one object, and lets responses through too', () => {
  const filter = new BothFilter();
  assert.equal(filter.decoder, filter);
  assert.equal(filter.encoder, filter);
  assert.equal(filter.decodeData(body, false), FilterDataStatus.Continue);
  assert.equal(filter.encodeData(body, true), FilterDataStatus.Continue);
  assert.equal(filter.encodeTrailers([]), FilterTrailersStatus.Continue);
});
