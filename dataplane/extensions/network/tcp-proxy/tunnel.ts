// tunneling_config: the upstream of a connection is a CONNECT (or POST) request on an HTTP connection of the
// cluster. The answer's head opens the tunnel; what comes then are the bytes of the connection.
//
//   asked for --pool ready--> head sent --2xx--> open --both ends, or reset--> closed
//       |                        '-- other status, reset --> failed
//       '-- pool failure --> failed

import type { Cancellable, Cluster, HttpPoolCallbacks } from '../../../api/cluster.ts';
import { ConnectionUse, ResourcePriority, type UpstreamStreamInfo } from '../../../api/cluster.ts';
import {
  type RequestEncoder,
  type ResponseDecoder,
  type StreamCallbacks,
  StreamResetReason,
} from '../../../api/codec.ts';
import type { Connection } from '../../../api/connection.ts';
import type { RequestHeaders, ResponseHeaders } from '../../../api/headers.ts';
import type { Host } from '../../../api/host.ts';
import { countStreamReset } from '../../../router/reset-reason.ts';
import type { ProxyUpstream } from './upstream.ts';

const EMPTY = Buffer.alloc(0);

/** proxy.ts, as far as a tunnel tells it things. Exactly one of the first two is called, once, unless cancelled. */
export interface TunnelOwner {
  onTunnelReady(tunnel: Tunnel, host: Host, info: UpstreamStreamInfo): void;
  onTunnelFailure(
    reason: StreamResetReason,
    transportFailureReason: string,
    host: Host | null,
  ): void;
  onUpstreamData(data: Buffer, endStream: boolean): void;
  onUpstreamClosed(): void;
  pauseDownstream(pause: boolean): void;
}

const State = { Connecting: 0, HeadSent: 1, Open: 2, Closed: 3 } as const;
type State = (typeof State)[keyof typeof State];

/** See the file head. */
export class Tunnel
  implements ProxyUpstream, HttpPoolCallbacks, ResponseDecoder, StreamCallbacks, Cancellable
{
  wasReset = false;
  readonly #owner: TunnelOwner;
  readonly #headers: RequestHeaders;
  #state: State = State.Connecting;
  #connecting: Cancellable | null = null;
  #encoder: RequestEncoder | null = null;
  #cluster: Cluster | null = null;
  #host: Host | null = null;
  #info: UpstreamStreamInfo | null = null;
  #localEnded = false;
  #remoteEnded = false;

  constructor(owner: TunnelOwner, headers: RequestHeaders) {
    this.#owner = owner;
    this.#headers = headers;
  }

  /** Asks the pool for a connection; the owner may be called before this returns. */
  start(cluster: Cluster, host: Host, downstream: Connection): void {
    this.#cluster = cluster;
    const pool = cluster.httpPool(host, ResourcePriority.Default, '', downstream);
    if (pool === null) {
      // max_connection_pools.
      this.onPoolFailure(StreamResetReason.Overflow, '', null);
      return;
    }
    const connecting = pool.newStream(this, this, ConnectionUse.Unrepeatable);
    if (this.#state === State.Connecting) this.#connecting = connecting;
  }

  /** The owner is no longer interested, whatever state it is in. */
  cancel(): void {
    this.#connecting?.cancel();
    this.#connecting = null;
    this.#reset();
  }

  onPoolReady(encoder: RequestEncoder, host: Host, info: UpstreamStreamInfo): void {
    this.#connecting = null;
    this.#state = State.HeadSent;
    this.#encoder = encoder;
    this.#host = host;
    this.#info = info;
    encoder.setCallbacks(this);
    encoder.encodeHeaders(this.#headers, false);
  }

  onPoolFailure(
    reason: StreamResetReason,
    transportFailureReason: string,
    host: Host | null,
  ): void {
    this.#connecting = null;
    this.#state = State.Closed;
    this.#owner.onTunnelFailure(reason, transportFailureReason, host);
  }

  decode1xxHeaders(): void {
    // Nobody to tell.
  }

  decodeHeaders({ status }: ResponseHeaders, endStream: boolean): void {
    const host = this.#host;
    const info = this.#info;
    if (this.#state !== State.HeadSent || host === null || info === null) return;
    if (status < 200 || status > 299) {
      this.#reset();
      this.#owner.onTunnelFailure(StreamResetReason.RemoteReset, `tunnel_response:${status}`, host);
      return;
    }
    this.#state = State.Open;
    this.#owner.onTunnelReady(this, host, info);
    if (endStream) this.decodeData(EMPTY, true);
  }

  decodeData(data: Buffer, endStream: boolean): void {
    if (this.#state !== State.Open) return;
    if (endStream) this.#remoteEnded = true;
    this.#owner.onUpstreamData(data, endStream);
    this.#closeIfEnded();
  }

  decodeTrailers(): void {
    this.decodeData(EMPTY, true);
  }

  onResetStream(reason: StreamResetReason): void {
    const state = this.#state;
    const host = this.#host;
    if (state === State.Closed || host === null) return;
    this.#state = State.Closed;
    this.#countReset(reason);
    if (state === State.Open) {
      // Its orderly end is the end of the body; this is another.
      this.wasReset = true;
      this.#owner.onUpstreamClosed();
    } else this.#owner.onTunnelFailure(reason, '', host);
  }

  onAboveWriteBufferHighWatermark(): void {
    if (this.#state === State.Open) this.#owner.pauseDownstream(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.#state === State.Open) this.#owner.pauseDownstream(false);
  }

  write(data: Buffer): void {
    if (this.#state === State.Open && !this.#localEnded && data.length > 0) {
      this.#encoder?.encodeData(data, false);
    }
  }

  endWrite(): void {
    if (this.#state !== State.Open || this.#localEnded) return;
    this.#localEnded = true;
    this.#encoder?.encodeData(EMPTY, true);
    this.#closeIfEnded();
  }

  readDisable(disable: boolean): void {
    if (this.#state === State.Open) this.#encoder?.readDisable(disable);
  }

  isOpen(): boolean {
    return this.#state === State.Open;
  }

  /** A request can only be broken off: what both ends have not finished is reset, as in Envoy. */
  close(): void {
    this.#reset();
  }

  writeBufferedBytes(): number {
    return this.#state === State.Open ? (this.#info?.connection.writeBufferedBytes() ?? 0) : 0;
  }

  #closeIfEnded(): void {
    if (this.#localEnded && this.#remoteEnded) this.#state = State.Closed;
  }

  #reset(): void {
    if (this.#state === State.Closed) return;
    this.#state = State.Closed;
    if (this.#encoder === null) return;
    this.#countReset(StreamResetReason.LocalReset);
    this.#encoder.resetStream(StreamResetReason.LocalReset);
  }

  #countReset(reason: StreamResetReason): void {
    if (this.#cluster !== null) countStreamReset(this.#cluster.stats, this.#info, reason);
  }
}
