// The rows of the benchmark: what the proxies have to be (shape) and what is done to them (load).

/** How the proxies of a row are set up; rows of one shape share their processes. */
export interface Shape {
  /** Two sidecars with mTLS between them instead of one. */
  readonly pair: boolean;
  /** Clients speak mTLS to it. */
  readonly tls: boolean;
  /** tcp: tcp_proxy instead of the HTTP connection manager. */
  readonly protocol: 'http' | 'tcp';
  /** Behind it: nginx with files, an echo of bytes, or of WebSocket messages. */
  readonly backend: 'files' | 'echo' | 'websocket';
  /** Routes before the catch-all. */
  readonly routes: number;
  readonly accessLog: boolean;
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
  | { readonly kind: 'handshakes'; readonly resumed: boolean; readonly connections: number }
  | { readonly kind: 'pingpong'; readonly bytes: number; readonly connections: number };

/** One line of the table; CPU is counted per request, handshake or message. */
export interface Row {
  readonly name: string;
  readonly title: string;
  readonly shape: Shape;
  readonly load: Load;
}

const plain: Shape = {
  pair: false,
  tls: false,
  protocol: 'http',
  backend: 'files',
  routes: 0,
  accessLog: false,
};
const pair: Shape = { ...plain, pair: true };
const tls: Shape = { ...plain, tls: true };
const routes: Shape = { ...plain, routes: 10_000 };
const get = { kind: 'http', path: '/', connections: 64, headers: [], uploadBytes: 0 } as const;
const MIB = 1024 * 1024;

export const allRows: readonly Row[] = [
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
