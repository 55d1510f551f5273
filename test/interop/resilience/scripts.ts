// The scripts of upstream hosts: what a host does with its n-th request. Scenario files write them; scripted-host.ts
// acts on them. Pure functions of the count, so that the hosts of both proxies act alike.

/** Makes a number in [0, 1) of each call; the same seed gives the same numbers. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** HTTP/2 only. */
  readonly trailers?: Readonly<Record<string, string>>;
  readonly afterMs?: number;
}

export type Action =
  | Answer
  /** Never answers, until Scene.release(). */
  | { readonly hang: true }
  /** A TCP reset; behind the headers there are ten bytes of a longer body. */
  | { readonly reset: 'before headers' | 'after headers' }
  /** A FIN, likewise. */
  | { readonly close: 'before headers' | 'after headers' }
  /** HTTP/2: RST_STREAM with this error code. */
  | { readonly resetStream: number; readonly afterHeaders?: true };

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** `count` is 0 for the first request that this host got. */
export type Script = (count: number, request: SeenRequest) => Action;

export interface HostOptions {
  /** http2: without TLS, by prior knowledge. Give the cluster `http2Upstream`, too. */
  readonly kind?: 'http1' | 'http2';
  /** For active health checks (user-agent Envoy/HC, or the path of the gRPC health service); default 200, SERVING. */
  readonly health?: Script;
  /** True = nothing listens at its address at first. */
  readonly refuses?: true;
  /** Fields of LbEndpoint: load_balancing_weight, metadata, health_status, ... */
  readonly endpoint?: Readonly<Record<string, unknown>>;
}

export interface HostScript extends HostOptions {
  readonly script: Script;
}

export const ok: Answer = { status: 200, body: 'ok\n' };
export const hang: Action = { hang: true };

/** Always the same. */
export function always(action: Action, options: HostOptions = {}): HostScript {
  return { ...options, script: () => action };
}

/** One action after the other, then the last for ever. */
export function inTurn(actions: readonly Action[], options: HostOptions = {}): HostScript {
  return { ...options, script: (count) => actions[Math.min(count, actions.length - 1)] ?? ok };
}

/** Good for a random number of requests, at least 1 and at most the longest, then bad likewise, and so on. */
export function flapping(
  seed: number,
  bad: Action,
  longest: { readonly good: number; readonly bad: number },
  options: HostOptions = {},
): HostScript {
  return {
    ...options,
    script: (count) => {
      const random = seeded(seed);
      let end = 0;
      for (let good = true; ; good = !good) {
        end += 1 + Math.floor(random() * (good ? longest.good : longest.bad));
        if (count < end) return good ? ok : bad;
      }
    },
  };
}

/** As many hosts of one kind. */
export function alike(count: number, host: HostScript): readonly HostScript[] {
  return Array.from({ length: count }, () => host);
}

/** Fields of a cluster whose hosts are of kind http2. */
export const http2Upstream = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};
