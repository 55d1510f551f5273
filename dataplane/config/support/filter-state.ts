// Supported fields of the filters that put texts into filter state.

import { fields, type MessageSupport, only } from './table.ts';

const filters = 'envoy.extensions.filters';

/** Part of the HTTP filters' group. */
export const setFilterStateSupport: Readonly<Record<string, MessageSupport>> = {
  [`${filters}.http.set_filter_state.v3.Config`]: fields('on_request_headers'),
  [`${filters}.network.set_filter_state.v3.Config`]: fields('on_new_connection'),
  [`${filters}.common.set_filter_state.v3.FilterStateValue`]: {
    object_key: { note: 'without factory_key: envoy.tcp_proxy.cluster' },
    factory_key: { note: 'envoy.string, envoy.hashable_string, envoy.tcp_proxy.cluster' },
    format_string: 'yes',
    read_only: only(false),
    shared_with_upstream: only('NONE'),
    skip_if_empty: 'yes',
  },
};
