import assert from 'node:assert/strict';
import { test } from 'node:test';
import { httpFilterData } from '../../../../test/fakes/config.ts';
import { fakeFilterContext } from '../../../../test/fakes/hcm.ts';
import { FakeStreamInfo } from '../../../../test/fakes/stream-info.ts';
import { FakeTimers } from '../../../../test/fakes/timers.ts';
import { RequestHeaders } from '../../../api/headers.ts';
import {
  FilterHeadersStatus,
  type StreamDecoderFilterCallbacks,
} from '../../../api/http-filter.ts';
import { HolderStore } from '../../../stats/store.ts';
import { setFilterState } from './filter.ts';

const HTTP = 'envoy.extensions.filters.http.set_filter_state.v3.Config';
const value =
  '{object_key: k, factory_key: envoy.string, format_string: {text_format_source: {inline_string: "%REQ(x-key)%"}}}';

test("a request's head makes its filter state, and the request goes on", () => {
  const data = httpFilterData(HTTP, `on_request_headers: [${value}]`);
  const parts = { store: new HolderStore(), timers: new FakeTimers(), random: () => 0 };
  const { decoder } = setFilterState.create(data, fakeFilterContext(parts)).createFilter();
  const streamInfo = new FakeStreamInfo();
  const callbacks: Partial<StreamDecoderFilterCallbacks> = { streamInfo };
  // No more is used.
  decoder!.setDecoderFilterCallbacks(callbacks as StreamDecoderFilterCallbacks);
  const headers = new RequestHeaders('GET', '/', 'h', 'http', ['x-key', 'orders']);
  assert.equal(decoder!.decodeHeaders(headers, true), FilterHeadersStatus.Continue);
  const object = streamInfo.filterState?.get('k');
  assert.equal(typeof object === 'object' && object.plain(), 'orders');
});
