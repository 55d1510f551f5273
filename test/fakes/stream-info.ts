// The StreamInfo of a request that nothing is known of yet; tests set what they need.

import { HttpStreamInfo as LiveStreamInfo } from '../../dataplane/http/stream-info.ts';

/** At the fake clock's start. */
export class FakeStreamInfo extends LiveStreamInfo {
  constructor() {
    const connection = {
      id: 1,
      remoteAddress: { ip: '10.1.2.3', port: 40000 },
      localAddress: { ip: '10.9.9.9', port: 8080 },
      tls: null,
      requestedServerName: '',
    };
    super(connection, '', 'HTTP/1.1', 1000, Date.UTC(2026, 0, 2, 3, 4, 5, 678));
  }
}
