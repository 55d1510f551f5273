// The server side of a TLS handshake on a socket that was already accepted and peeked at.
//
// Why not tls.Server: it offers no way to tell which accepted socket a 'secureConnection' belongs to, and
// the filter chain (so the context) is only known after listener filters ran. A bare tls.TLSSocket leaves
// two things to its owner that tls.Server does with members that Node does not document: reading the
// verdict of the chain verification, and closing the socket on TLS errors after the handshake. Both are
// fenced into this file and fail closed: without them the handshake counts as failed.

import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { SniCallback } from './secure-context.ts';

/** What this file relies on beyond Node's documented API; checked at run time. */
interface TlsHandle {
  verifyError(): NodeJS.ErrnoException | null;
}

/** How a server handshake ended. */
export interface ServerHandshakeCallbacks {
  /**
   * `peer`: its certificate, undefined = it sent none. `chainError`: '' = OpenSSL verified the peer's chain
   * (or it sent none), else OpenSSL's code.
   */
  onSecure(socket: tls.TLSSocket, peer: X509Certificate | undefined, chainError: string): void;
  /** The handshake failed or the peer went away; the socket is closed. */
  onFailed(reason: string): void;
}

export interface ServerHandshakeOptions {
  readonly secureContext: tls.SecureContext;
  /** Empty = no ALPN extension is answered. */
  readonly alpnProtocols: readonly string[];
  readonly requestCertificate: boolean;
  /** Chooses the context by the name in the ClientHello when nobody peeked at it; null = it is chosen. */
  readonly sniCallback: SniCallback | null;
  /** Gets 'OCSPRequest' events; null = nothing is stapled. */
  readonly ocspServer: tls.Server | null;
}

/** Starts the handshake on `socket`; bytes that were unshifted into it are used first. */
export function startServerHandshake(
  socket: Socket,
  options: ServerHandshakeOptions,
  callbacks: ServerHandshakeCallbacks,
): tls.TLSSocket {
  const tlsOptions: tls.TLSSocketOptions = {
    isServer: true,
    secureContext: options.secureContext,
    requestCert: options.requestCertificate,
    rejectUnauthorized: false,
  };
  if (options.sniCallback !== null) tlsOptions.SNICallback = options.sniCallback;
  if (options.ocspServer !== null) tlsOptions.server = options.ocspServer;
  if (options.alpnProtocols.length > 0) tlsOptions.ALPNProtocols = [...options.alpnProtocols];
  const tlsSocket = new tls.TLSSocket(socket, tlsOptions);
  let settled = false;
  const fail = (reason: string) => {
    if (settled) return;
    settled = true;
    callbacks.onFailed(reason);
  };
  tlsSocket.on('_tlsError', (error: Error) => {
    tlsSocket.destroy(settled ? error : undefined);
    fail(`TLS_error:${error.message}`);
  });
  tlsSocket.on('error', (error: Error) => fail(`TLS_error:${error.message}`));
  tlsSocket.once('close', () => fail('remote close during TLS handshake'));
  // Accepted sockets stay half open: the peer's FIN alone would leave this one for ever.
  tlsSocket.once('end', () => {
    if (!settled) tlsSocket.destroy();
  });
  tlsSocket.once('secure', () => {
    if (settled) return;
    settled = true;
    // Asked once: the second answer would be without the chain.
    const peer = options.requestCertificate ? tlsSocket.getPeerX509Certificate() : undefined;
    callbacks.onSecure(tlsSocket, peer, peer === undefined ? '' : readChainError(tlsSocket));
  });
  return tlsSocket;
}

function readChainError(socket: tls.TLSSocket): string {
  // _handle is not in Node's types: it is the binding object that tls.Server itself asks.
  const handle = (socket as unknown as { readonly _handle?: Partial<TlsHandle> | null })._handle;
  if (typeof handle?.verifyError !== 'function') return 'VERIFICATION_RESULT_UNAVAILABLE';
  const error = handle.verifyError();
  return error === null || error === undefined ? '' : (error.code ?? 'UNSPECIFIED');
}
