// When a message stops being HTTP. Read by the codecs, the connection manager and the router, which must agree.

/** Whether a response of `status` opens the tunnel that a CONNECT (else an Upgrade) asked for. */
export function isTunnelStatus(isConnect: boolean, status: number): boolean {
  return isConnect ? status >= 200 && status < 300 : status === 101;
}
