// The gRPC side of the ADS stream, behind an interface that tests fake. Knows bytes, no messages.

import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  connectivityState,
  type Metadata,
  type StatusObject,
} from '@grpc/grpc-js';

/** What a call tells; `onClosed` comes exactly once and last. */
export interface AdsCallObserver {
  /** The connection stands (the server may have nothing to say for a long time). */
  onConnected(): void;
  onMessage(bytes: Buffer): void;
  /** `details` is fit for a log line. */
  onClosed(code: number, details: string): void;
}

export interface AdsCall {
  send(bytes: Buffer): void;
  /** Messages given to `send` that gRPC could not pass on yet. */
  queuedCount(): number;
  /** Ends the call at once; `onClosed` follows. */
  cancel(): void;
}

/** One connection; used for one call and thrown away, so that every attempt resolves and dials anew. */
export interface AdsChannel {
  open(path: string, observer: AdsCallObserver): AdsCall;
  close(): void;
}

/** Makes a channel per attempt: targets, TLS and metadata (tokens may have been renewed) come from here. */
export type AdsChannelFactory = () => AdsChannel;

export interface GrpcChannelOptions {
  /** grpc-js target: `dns:host:port`, `ipv4:1.2.3.4:18000`, `unix:/path`. */
  readonly target: string;
  readonly credentials: ChannelCredentials;
  /** Made anew for each stream (initial_metadata, a token). */
  readonly metadata: () => Metadata;
  /** Largest response taken. Default 64 MiB. */
  readonly maxResponseBytes?: number;
  /** Added to ours, e.g. grpc.ssl_target_name_override. */
  readonly channelOptions?: ChannelOptions;
}

const defaultChannelOptions: ChannelOptions = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.enable_retries': 0,
  'grpc.service_config_disable_resolution': 1,
  // A control plane is not reached through the environment's web proxy.
  'grpc.enable_http_proxy': 0,
  // Each attempt dials anew: grpc-js's own back-off, kept in its shared pool, would add to ours.
  'grpc.use_local_subchannel_pool': 1,
};

/** Channels over grpc-js. */
export function grpcChannelFactory(options: GrpcChannelOptions): AdsChannelFactory {
  return () => new GrpcChannel(options);
}

class GrpcChannel implements AdsChannel {
  readonly #client: Client;
  readonly #options: GrpcChannelOptions;

  constructor(options: GrpcChannelOptions) {
    this.#options = options;
    this.#client = new Client(options.target, options.credentials, {
      ...defaultChannelOptions,
      'grpc.max_receive_message_length': options.maxResponseBytes ?? 64 * 1024 * 1024,
      ...options.channelOptions,
    });
  }

  open(path: string, observer: AdsCallObserver): AdsCall {
    const metadata = this.#options.metadata();
    const call = this.#client.makeBidiStreamRequest(path, identity, identity, metadata);
    this.#watch(observer);
    return new GrpcCall(call, observer);
  }

  // Not Client.waitForReady: called back at close() it would make the dead channel dial once more.
  #watch(observer: AdsCallObserver): void {
    const channel = this.#client.getChannel();
    const state = channel.getConnectivityState(false);
    if (state === connectivityState.READY) observer.onConnected();
    if (state === connectivityState.READY || state === connectivityState.SHUTDOWN) return;
    channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => this.#watch(observer));
  }

  close(): void {
    this.#client.close();
  }
}

class GrpcCall implements AdsCall {
  readonly #call: ClientDuplexStream<Buffer, Buffer>;

  constructor(call: ClientDuplexStream<Buffer, Buffer>, observer: AdsCallObserver) {
    this.#call = call;
    call.on('data', (bytes: Buffer) => observer.onMessage(bytes));
    call.on('status', ({ code, details }: StatusObject) => observer.onClosed(code, details));
    call.on('error', () => {
      // 'status' tells the same; without a listener it would be thrown
    });
  }

  send(bytes: Buffer): void {
    this.#call.write(bytes);
  }

  queuedCount(): number {
    return this.#call.writableLength;
  }

  cancel(): void {
    this.#call.cancel();
  }
}

const identity = (bytes: Buffer): Buffer => bytes;
