// A downstream or upstream connection without a socket: what is written can be read back as text.

import {
  type Connection,
  type ConnectionCallbacks,
  type ConnectionCloseType,
  ConnectionEvent,
  type SocketAddress,
  type TlsInfo,
} from '../../dataplane/api/connection.ts';

let nextId = 1;

/** Writable fields, so that a test can shape the peer before it begins. */
export class FakeConnection implements Connection {
  readonly id = nextId++;
  remoteAddress: SocketAddress = { ip: '10.1.2.3', port: 40000 };
  localAddress: SocketAddress = { ip: '10.9.9.9', port: 8080 };
  tls: TlsInfo | null = null;
  requestedServerName = '';
  nextProtocol = '';
  transportFailureReason = '';
  connectionTerminationDetails = '';
  /** Everything written so far, latin1. */
  written = '';
  /** How close() was called first; null = it was not. */
  closedBy: ConnectionCloseType | null = null;
  readDisableCount = 0;
  bufferedBytes = 0;
  readonly callbacks: ConnectionCallbacks[] = [];
  #isOpen = true;

  write(data: Buffer | string): void {
    this.written += typeof data === 'string' ? data : data.toString('latin1');
  }

  readDisable(disable: boolean): void {
    this.readDisableCount += disable ? 1 : -1;
  }

  /** Closes at once, whatever the type: a fake has nothing to flush. */
  close(type: ConnectionCloseType): void {
    if (!this.#isOpen) return;
    this.closedBy = type;
    this.#end(ConnectionEvent.LocalClose);
  }

  /** The peer goes away. */
  remoteClose(): void {
    if (this.#isOpen) this.#end(ConnectionEvent.RemoteClose);
  }

  #end(event: ConnectionEvent): void {
    this.#isOpen = false;
    for (const callbacks of this.callbacks) callbacks.onEvent(event);
  }

  isOpen(): boolean {
    return this.#isOpen;
  }

  enableHalfClose(): void {}

  setDelayedCloseTimeout(): void {}

  endWrite(): void {}

  addConnectionCallbacks(callbacks: ConnectionCallbacks): void {
    this.callbacks.push(callbacks);
  }

  writeBufferedBytes(): number {
    return this.bufferedBytes;
  }

  /** The peer does not read / reads again. */
  fillWriteBuffer(): void {
    for (const callbacks of this.callbacks) callbacks.onAboveWriteBufferHighWatermark();
  }

  drainWriteBuffer(): void {
    for (const callbacks of this.callbacks) callbacks.onBelowWriteBufferLowWatermark();
  }

  /** What was written since the last call. */
  takeWritten(): string {
    const { written } = this;
    this.written = '';
    return written;
  }
}

/** A verified TLS peer; give what the test is about. */
export function fakeTls(facts: Partial<TlsInfo> = {}): TlsInfo {
  return {
    version: 'TLSv1.3',
    cipherSuite: 'TLS_AES_128_GCM_SHA256',
    alpn: '',
    sni: '',
    peerCertificatePresented: true,
    peerCertificateValidated: true,
    uriSanPeerCertificate: [],
    dnsSansPeerCertificate: [],
    subjectPeerCertificate: '',
    issuerPeerCertificate: '',
    pemPeerCertificate: '',
    pemPeerCertificateChain: [],
    serialNumberPeerCertificate: '',
    sha256PeerCertificateDigest: '',
    uriSanLocalCertificate: [],
    subjectLocalCertificate: '',
    ...facts,
  };
}
