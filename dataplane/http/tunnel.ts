// When a message stops being HTTP. Read by the codecs, the connection manager and the router, which must agree.

import { findField, getJoinedField, type HeaderFields } from '../api/headers.ts';

/** Whether a response of `status` opens the tunnel that a CONNECT (else an Upgrade) asked for. */
export function isTunnelStatus(isConnect: boolean, status: number): boolean {
  return isConnect ? status >= 200 && status < 300 : status === 101;
}

/** An `upgrade` that `connection` does not name (a filter's) asks for nothing. */
export function asksForUpgrade(fields: HeaderFields): boolean {
  return (
    findField(fields, 'upgrade') !== -1 &&
    /\bupgrade\b/i.test(getJoinedField(fields, 'connection') ?? '')
  );
}
