// Counters of the HTTP/1 codec. One holder per scope: `http1.` at the root for downstream,
// `cluster.<name>.http1.` for upstream (names as Envoy's).

import type { StatField } from '../../api/stats.ts';

/** Incremented by the codecs, registered by whoever owns the scope. */
export class Http1CodecStats {
  static readonly stats: readonly StatField[] = [
    {
      field: 'droppedHeadersWithUnderscores',
      name: 'dropped_headers_with_underscores',
      kind: 'counter',
    },
    {
      field: 'requestsRejectedWithUnderscoresInHeaders',
      name: 'requests_rejected_with_underscores_in_headers',
      kind: 'counter',
    },
    { field: 'metadataNotSupportedError', name: 'metadata_not_supported_error', kind: 'counter' },
    { field: 'responseFlood', name: 'response_flood', kind: 'counter' },
  ];
  droppedHeadersWithUnderscores = 0;
  requestsRejectedWithUnderscoresInHeaders = 0;
  /** HTTP/2's only; kept at 0 because Envoy shows it. */
  metadataNotSupportedError = 0;
  responseFlood = 0;
}
