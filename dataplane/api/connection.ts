// A byte-stream connection as everything above the socket sees it (plain or TLS, either direction).

/** IP literal (or path of a Unix socket, then port 0). */
export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/** `1.2.3.4:80`, `[::1]:80`, or the path of a Unix socket. */
export function formatAddress(address: SocketAddress): string {
  if (address.port === 0 && (address.ip.startsWith('/') || address.ip.startsWith('@'))) {
    return address.ip;
  }
  return address.ip.includes(':')
    ? `[${address.ip}]:${address.port}`
    : `${address.ip}:${address.port}`;
}

/** One type-length-value of a PROXY v2 header. */
export interface ProxyProtocolTlv {
  /** 0..255 */
  readonly type: number;
  readonly value: Uint8Array;
}

/** Envoy's filter state `envoy.network.proxy_protocol_options`. */
export interface ProxyProtocolInfo {
  readonly remoteAddress: SocketAddress;
  readonly localAddress: SocketAddress;
  /** Those that pass_through_tlvs lets pass. */
  readonly tlvs: readonly ProxyProtocolTlv[];
}

/** Facts of an established TLS session; strings are '' when absent. */
export interface TlsInfo {
  /** `TLSv1.3` */
  readonly version: string;
  readonly cipherSuite: string;
  readonly alpn: string;
  readonly sni: string;
  readonly peerCertificatePresented: boolean;
  readonly peerCertificateValidated: boolean;
  readonly uriSanPeerCertificate: readonly string[];
  readonly dnsSansPeerCertificate: readonly string[];
  readonly subjectPeerCertificate: string;
  readonly issuerPeerCertificate: string;
  readonly serialNumberPeerCertificate: string;
  /** Lower-case hex without colons. */
  readonly sha256PeerCertificateDigest: string;
  /** Text of the peer's certificate; '' = it sent none. */
  readonly pemPeerCertificate: string;
  /** The certificates that the peer sent, its own first, without a root. */
  readonly pemPeerCertificateChain: readonly string[];
  readonly uriSanLocalCertificate: readonly string[];
  readonly subjectLocalCertificate: string;
}

export const ConnectionCloseType = {
  /** Write what is buffered, then FIN. */
  FlushWrite: 0,
  /** Drop what is buffered, close now. */
  NoFlush: 1,
  /** Flush, send FIN, then wait up to delayed_close_timeout for the peer before the socket goes. */
  FlushWriteAndDelay: 2,
  /** As NoFlush, and the peer sees a reset: what it has got is not all. TLS has no such thing; there it is NoFlush. */
  AbortReset: 3,
} as const;
export type ConnectionCloseType = (typeof ConnectionCloseType)[keyof typeof ConnectionCloseType];

export const ConnectionEvent = { Connected: 0, RemoteClose: 1, LocalClose: 2 } as const;
export type ConnectionEvent = (typeof ConnectionEvent)[keyof typeof ConnectionEvent];

export interface ConnectionCallbacks {
  /** RemoteClose and LocalClose are final and come once. */
  onEvent(event: ConnectionEvent): void;
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

/** By namespace. */
export type DynamicMetadata = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export interface Connection {
  /** Unique in this process. */
  readonly id: number;
  readonly remoteAddress: SocketAddress;
  /** The peer of the socket, where a PROXY header has named another; absent = remoteAddress. */
  readonly directRemoteAddress?: SocketAddress;
  readonly localAddress: SocketAddress;
  /** localAddress is the destination that a listener filter restored, not the socket's; absent = false. */
  readonly localAddressRestored?: boolean;
  /** What came in a PROXY header; absent or null = none came. */
  proxyProtocol?: ProxyProtocolInfo | null;
  /** What listener filters noted, by namespace; absent or null = nothing. */
  readonly dynamicMetadata?: DynamicMetadata | null;
  /** Null on plaintext. */
  readonly tls: TlsInfo | null;
  /** SNI that a listener filter or the handshake saw, else ''. */
  readonly requestedServerName: string;
  /** Negotiated or sniffed application protocol: 'h2', 'http/1.1', ... else ''. */
  readonly nextProtocol: string;
  /** Why the transport failed, in Envoy's words (`TLS_error:...`, `delayed connect error: Connection refused`), else ''. */
  readonly transportFailureReason: string;
  /** The peer's end was an RST, not a FIN: a body that ends with its connection is then cut short. */
  readonly wasReset?: boolean;
  /** Why we closed it, Envoy's CONNECTION_TERMINATION_DETAILS, else ''. */
  connectionTerminationDetails: string;
  /** A string is latin1. Gathers the writes of one turn into one system call where it can. */
  write(data: Buffer | string): void;
  /** Counted. */
  readDisable(disable: boolean): void;
  close(type: ConnectionCloseType): void;
  isOpen(): boolean;
  /**
   * Off (default): the peer's FIN closes the connection (RemoteClose). On: it comes as
   * onData(empty, true) and we may go on writing; RemoteClose follows once both sides have ended.
   */
  enableHalfClose(enabled: boolean): void;
  /** How long a close that flushes waits without any progress, ms; 0 = for ever. */
  setDelayedCloseTimeout(ms: number): void;
  /** Sends FIN behind everything written so far; for half-close users (tcp_proxy). */
  endWrite(): void;
  addConnectionCallbacks(callbacks: ConnectionCallbacks): void;
  /** Bytes buffered and not yet taken by the kernel. */
  writeBufferedBytes(): number;
}
