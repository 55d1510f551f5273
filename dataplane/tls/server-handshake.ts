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
  new ServerHandshake(tlsSocket, options.requestCertificate, callbacks);
  return tlsSocket;
}

/** Listens while the handshake lasts and leaves nothing of itself on a socket that stays idle for hours. */
class ServerHandshake {
  readonly #socket: tls.TLSSocket;
  readonly #asksForCertificate: boolean;
  readonly #callbacks: ServerHandshakeCallbacks;
  #hasEnded = false;
  readonly #onError = (error: Error) => this.#fail(`TLS_error:${error.message}`);
  readonly #onTlsError = (error: Error) => {
    this.#socket.destroy();
    this.#onError(error);
  };
  readonly #onClose = () => this.#fail('remote close during TLS handshake');
  /** Accepted sockets stay half open: the peer's FIN alone would leave this one for ever. */
  readonly #onEnd = () => this.#socket.destroy();
  readonly #onSecure = () => {
    if (this.#hasEnded) return;
    this.#leave();
    const socket = this.#socket;
    // Asked once: the second answer would be without the chain.
    const peer = this.#asksForCertificate ? socket.getPeerX509Certificate() : undefined;
    this.#callbacks.onSecure(socket, peer, peer === undefined ? '' : readChainError(socket));
  };

  constructor(
    socket: tls.TLSSocket,
    asksForCertificate: boolean,
    callbacks: ServerHandshakeCallbacks,
  ) {
    this.#socket = socket;
    this.#asksForCertificate = asksForCertificate;
    this.#callbacks = callbacks;
    socket.on('_tlsError', this.#onTlsError);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
    socket.on('end', this.#onEnd);
    socket.on('secure', this.#onSecure);
  }

  #fail(reason: string): void {
    // One error comes as '_tlsError' and as 'error', in one round of listeners.
    if (this.#hasEnded) return;
    this.#leave();
    this.#callbacks.onFailed(reason);
  }

  #leave(): void {
    this.#hasEnded = true;
    const socket = this.#socket;
    socket.off('_tlsError', this.#onTlsError);
    socket.off('error', this.#onError);
    socket.off('close', this.#onClose);
    socket.off('end', this.#onEnd);
    socket.off('secure', this.#onSecure);
    socket.on('_tlsError', destroyWith);
    socket.on('error', ignoreError);
  }
}

/** TLS errors after the handshake: a bare TLSSocket only tells of them. */
function destroyWith(this: tls.TLSSocket, error: Error): void {
  this.destroy(error);
}

function ignoreError(): void {
  // 'close' follows and is what counts; the connection's own listener comes a moment later.
}

function readChainError(socket: tls.TLSSocket): string {
  // _handle is not in Node's types: it is the binding object that tls.Server itself asks.
  const handle = (socket as unknown as { readonly _handle?: Partial<TlsHandle> | null })._handle;
  if (typeof handle?.verifyError !== 'function') return 'VERIFICATION_RESULT_UNAVAILABLE';
  const error = handle.verifyError();
  return error === null || error === undefined ? '' : (error.code ?? 'UNSPECIFIED');
}
