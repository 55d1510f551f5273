// Which codec a connection gets: HcmConfig.codecType, ALPN, or its first bytes. Asked by connection-manager once, or
// again with more bytes while they are too few to tell.

import type { HcmConfig } from '../api/config/hcm.ts';
import type { TlsInfo } from '../api/connection.ts';
import { matchPreface } from '../http/h2/preface.ts';

export type CodecProtocol = 'HTTP/1' | 'HTTP/2';

/**
 * `bytes` = all that have come. Without ALPN, on plaintext and on TLS, HTTP/2 is known by its preface (RFC 9113 3.3);
 * Envoy looks at the first read only.
 */
export function codecProtocolOf(
  codecType: HcmConfig['codecType'],
  tls: TlsInfo | null,
  bytes: Buffer,
): CodecProtocol | 'unclear' {
  if (codecType !== 'AUTO') return codecType === 'HTTP2' ? 'HTTP/2' : 'HTTP/1';
  const alpn = tls === null ? '' : tls.alpn;
  if (alpn !== '') return alpn === 'h2' ? 'HTTP/2' : 'HTTP/1';
  switch (matchPreface(bytes)) {
    case 'match':
      return 'HTTP/2';
    case 'mismatch':
      return 'HTTP/1';
    default:
      return 'unclear';
  }
}
