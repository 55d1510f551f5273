// The rows of the benchmark over HTTP/1 and TCP: what the proxies have to be (shape) and what is done to them (load).
// Those over HTTP/2 are in rows-http2.ts.

/**
 * What is behind the proxies: nginx with files, an echo of bytes or of WebSocket messages, a gRPC server that
 * answers with one message or with many.
 */
export type Backend =
  | 'files'
  | 'files-http2'
  | 'files-http2-tls'
  | 'echo'
  | 'websocket'
  | 'grpc'
  | 'grpc-stream';

/** How the proxies of a row are set up; rows of one shape share their processes. */
export interface Shape {
  /** Two sidecars with mTLS between them instead of one. */
  readonly pair: boolean;
  /** Of its clients: mutual = both sides show certificates, server = only the proxy does. */
  readonly tls: 'none' | 'server' | 'mutual';
  readonly clients: 'http1' | 'http2';
  /** tcp: tcp_proxy instead of the HTTP connection manager. */
  readonly protocol: 'http' | 'tcp';
  readonly backend: Backend;
  /** Routes before the catch-all. */
  readonly routes: number;
  readonly accessLog: boolean;
}

/** Every hop behind the entrance speaks what the backend does. */
export function upstreamIsHttp2({ backend }: Shape): boolean {
  return backend.startsWith('files-http2') || backend.startsWith('grpc');
}

export type Load =
  | {
      readonly kind: 'http';
      readonly path: string;
      readonly connections: number;
      readonly headers: readonly string[];
      /** Body of each request; 0 = GET. */
      readonly uploadBytes: number;
    }
  | {
      /** HTTP/2 by h2load. */
      readonly kind: 'http2';
      readonly path: string;
      readonly connections: number;
      /** In flight on each connection. */
      readonly streams: number;
      /** Body of a right answer. */
      readonly answerBytes: number;
      /** Of each request; null = GET, else gRPC. */
      readonly body: Buffer | null;
      /** CPU is per message where an answer has many. */
      readonly messages: number;
    }
  | {
      /** HTTP/2 at a fixed rate below what the proxies can do. */
      readonly kind: 'paced';
      readonly connections: number;
      readonly streams: number;
      readonly perSecond: number;
    }
  | { readonly kind: 'handshakes'; readonly resumed: boolean; readonly connections: number }
  | { readonly kind: 'pingpong'; readonly bytes: number; readonly connections: number };

/** One line of the table; CPU is counted per request, handshake or message. */
export interface Row {
  readonly name: string;
  readonly title: string;
  readonly shape: Shape;
  readonly load: Load;
}

export const plain: Shape = {
  pair: false,
  tls: 'none',
  clients: 'http1',
  protocol: 'http',
  backend: 'files',
  routes: 0,
  accessLog: false,
};
const pair: Shape = { ...plain, pair: true };
const tls: Shape = { ...plain, tls: 'mutual' };
const routes: Shape = { ...plain, routes: 10_000 };
export const get = {
  kind: 'http',
  path: '/',
  connections: 64,
  headers: [],
  uploadBytes: 0,
} as const;
const MIB = 1024 * 1024;

export const http1Rows: readonly Row[] = [
  { name: 'plain', title: '1 KiB, keep-alive, 64 connections', shape: plain, load: get },
  { name: 'plain-1', title: '1 connection', shape: plain, load: { ...get, connections: 1 } },
  {
    name: 'plain-1000',
    title: '1,000 connections',
    shape: plain,
    load: { ...get, connections: 1000 },
  },
  {
    name: 'log',
    title: 'with access log',
    shape: { ...plain, accessLog: true },
    load: get,
  },
  { name: 'pair', title: 'pair of sidecars, mTLS between, 1 KiB', shape: pair, load: get },
  {
    name: 'pair-1m',
    title: 'pair with mTLS, 1 MiB',
    shape: pair,
    load: { ...get, path: '/1m', connections: 16 },
  },
  { name: '64k', title: '64 KiB', shape: plain, load: { ...get, path: '/64k' } },
  { name: '1m', title: '1 MiB', shape: plain, load: { ...get, path: '/1m', connections: 16 } },
  {
    name: 'upload-1m',
    title: 'upload of 1 MiB',
    shape: plain,
    load: { ...get, path: '/upload', connections: 16, uploadBytes: MIB },
  },
  {
    name: 'newconn',
    title: 'a new connection per request',
    shape: plain,
    load: { ...get, headers: ['Connection: close'] },
  },
  {
    name: 'handshake',
    title: 'mTLS handshake, full',
    shape: tls,
    load: { kind: 'handshakes', resumed: false, connections: 16 },
  },
  {
    name: 'handshake-resumed',
    title: 'mTLS handshake, resumed',
    shape: tls,
    load: { kind: 'handshakes', resumed: true, connections: 16 },
  },
  {
    name: 'websocket',
    title: 'WebSocket echo of 1 KiB',
    shape: { ...plain, backend: 'websocket' },
    load: { kind: 'pingpong', bytes: 1024, connections: 64 },
  },
  {
    name: 'tcp-1m',
    title: 'tcp_proxy, 1 MiB',
    shape: { ...plain, protocol: 'tcp' },
    load: { ...get, path: '/1m', connections: 16 },
  },
  {
    name: 'tcp-64b',
    title: 'tcp_proxy, ping-pong of 64 bytes',
    shape: { ...plain, protocol: 'tcp', backend: 'echo' },
    load: { kind: 'pingpong', bytes: 64, connections: 64 },
  },
  {
    name: 'route-1',
    title: '10,000 routes, the first',
    shape: routes,
    load: { ...get, path: '/r0/' },
  },
  {
    name: 'route-10000',
    title: '10,000 routes, the last',
    shape: routes,
    load: { ...get, path: '/r9999/' },
  },
];
