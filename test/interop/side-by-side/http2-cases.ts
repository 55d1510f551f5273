// The HTTP/2 requests of the side-by-side test as frames. Each is sent on a fresh connection to Envoy and to Remora.
// `difference` names the entry of docs/differences.md that explains why Remora is meant to differ.

import { FrameFlag, FrameType } from '../../../dataplane/http/h2/frames.ts';
import { frame } from '../../fakes/http2.ts';
import type { FrameClient } from '../../fakes/http2-client.ts';

export interface Http2Case {
  readonly variant: string;
  readonly name: string;
  /** Sends the request; what comes back on `streams` is compared. */
  run(client: FrameClient): void | Promise<void>;
  /** Default [1]. */
  readonly streams?: readonly number[];
  /** The connection ends with its last GOAWAY: waited for and compared as well. */
  readonly closes?: boolean;
  /** Then only the log line is the same. */
  readonly difference?: string;
}

const one = (
  name: string,
  path: string,
  more: readonly string[] = [],
  method = 'GET',
  variant = 'plain',
): Http2Case => ({
  variant,
  name,
  run: (client) => client.send(client.request(1, path, more, method)),
});

/** With its body still to come. */
const open = (
  name: string,
  path: string,
  more: readonly string[] = [],
  variant = 'plain',
): Http2Case => ({
  variant,
  name,
  run: (client) => client.send(client.openRequest(1, path, more)),
});

const GRPC = ['content-type', 'application/grpc', 'te', 'trailers'];
const grpc = (name: string, path: string, more: readonly string[] = [], method = 'POST') =>
  one(`gRPC: ${name}`, path, [...GRPC, ...more], method);
const deadline = (path: string, timeout: string) =>
  grpc(`${timeout} on ${path}`, path, ['grpc-timeout', timeout]);
const pseudo = (scheme: string, path: string, more: readonly string[] = []) => [
  ...[':method', 'GET', ':path', path, ':scheme', scheme, ':authority', 'side.test'],
  ...more,
];
const extended = (protocol: string, path: string, more: readonly string[] = []) => [
  ...[':method', 'CONNECT', ':protocol', protocol, ':path', path, ':scheme', 'http'],
  ...[':authority', 'side.test', ...more],
];
const version13 = ['sec-websocket-version', '13'];
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Envoy closes the connection a second later without a word. */
const malformed = (name: string, fields: readonly string[]): Http2Case => ({
  variant: 'malformed',
  name: `malformed: ${name}`,
  streams: [],
  difference: 'Broken HTTP/2 connections',
  run: async (client) => {
    client.send(client.request(1, '', fields));
    await client.until(() => client.goAways.length > 0, 200);
  },
});
const withField = (...more: readonly string[]) => pseudo('http', '/malformed', more);

export const http2Cases: readonly Http2Case[] = [
  one('a plain GET', '/echo/get'),
  one('HEAD', '/echo/head', [], 'HEAD'),
  one('te: trailers', '/echo/te', ['te', 'trailers']),
  one(':scheme https on plaintext', '', pseudo('https', '/echo/https')),
  one(':scheme in capitals', '', pseudo('HTTP', '/echo/capitals')),
  one(':scheme ftp', '', pseudo('ftp', '/echo/ftp')),
  one('x-forwarded-proto', '/echo/xfp', ['x-forwarded-proto', 'https']),
  one(
    ':scheme and x-forwarded-proto',
    '',
    pseudo('https', '/echo/both', ['x-forwarded-proto', 'http']),
  ),
  {
    ...one(':scheme at the edge', '', pseudo('https', '/echo/edge', ['x-forwarded-proto', 'http'])),
    variant: 'edge',
  },
  {
    ...one(':scheme that matches the upstream', '', pseudo('https', '/echo/matching')),
    variant: 'matching',
  },
  one('host beside :authority', '/echo/host', ['host', 'other.test']),
  one('host instead of :authority', '', [
    ...[':method', 'GET', ':path', '/echo/host-only', ':scheme', 'http', 'host', 'other.test'],
  ]),
  one('cookie crumbs', '/echo/cookies', ['cookie', 'a=1', 'cookie', 'b=2; c=3']),
  one('a body of known length', '', [
    ...pseudo('http', '/echo/length').with(1, 'POST'),
    ...['content-length', '0'],
  ]),
  {
    ...open('100-continue', '/echo/continue', ['expect', '100-continue']),
    run: async (client) => {
      client.send(client.openRequest(1, '/echo/continue', ['expect', '100-continue']));
      await client.until(() => client.stream(1).heads.length > 0);
      client.send(client.data(1, 'hello'));
    },
  },
  {
    ...open('a body in pieces', '/echo/pieces'),
    run: (client) =>
      client.send(
        client.openRequest(1, '/echo/pieces'),
        client.data(1, 'ab', false),
        client.data(1, 'cd'),
      ),
  },
  {
    variant: 'plain',
    name: 'three at once',
    streams: [1, 3, 5],
    run: (client) => client.send(...[1, 3, 5].map((id) => client.request(id, `/echo/three/${id}`))),
  },
  one('no route', '/nowhere', [], 'GET', 'narrow'),
  one('OPTIONS *', '*', [], 'OPTIONS'),
  one('a direct response', '/s200'),
  one('a redirect', '/redirect'),
  one('a dead upstream', '/dead'),
  open('an answer before the request is complete', '/s413'),
  open('a 400 before the request is complete', '/s400'),
  {
    variant: 'plain',
    name: 'a reset by the client',
    streams: [],
    run: async (client) => {
      client.send(client.request(1, '/slow/reset'));
      await pause(100);
      client.send(client.rst(1, 8));
    },
  },
  malformed('te: gzip', withField('te', 'gzip')),
  malformed('connection', withField('connection', 'close')),
  malformed('upgrade', withField('upgrade', 'h2c')),
  malformed('transfer-encoding', withField('transfer-encoding', 'chunked')),
  malformed('a name in capitals', withField('X-Up', '1')),
  malformed('NUL in a value', withField('x', 'a\0b')),
  malformed('LF in a value', withField('x', 'a\nb')),
  malformed('user information', pseudo('http', '/malformed').with(7, 'u@a')),
  malformed('a method with a space', pseudo('http', '/malformed').with(1, 'G T')),
  malformed('a path with a space', pseudo('http', '/mal formed')),
  malformed('a path without a slash', pseudo('http', 'malformed')),
  malformed('an empty path', pseudo('http', '')),
  malformed('no path', pseudo('http', '').toSpliced(2, 2)),
  malformed('a pseudo header at the end', withField(':foo', '1')),
  malformed('a path at the end', withField(':path', '/other')),
  malformed('a status', withField(':status', '200')),
  malformed('two lengths', withField('content-length', '1', 'content-length', '2')),
  malformed('a length without a body', withField('content-length', '5')),
  malformed('two hosts', withField('host', 'a', 'host', 'b')),
  // What this proxy answers itself, in gRPC's form.
  grpc('400', '/s400'),
  grpc('413', '/s413'),
  grpc('429', '/s429'),
  grpc('a direct 200', '/s200'),
  grpc('a dead upstream', '/dead'),
  grpc('HEAD', '/s400', [], 'HEAD'),
  one('gRPC: no route', '/nowhere', GRPC, 'POST', 'narrow'),
  one('gRPC-Web: 400', '/s400', ['content-type', 'application/grpc-web'], 'POST'),
  open('gRPC: 400 before the request is complete', '/s400', GRPC),
  // Deadlines.
  grpc('no timeout asked for', '/capped/none'),
  deadline('/capped/5S', '5S'),
  deadline('/capped/20S', '20S'),
  deadline('/capped/bad', 'x'),
  deadline('/capped/nine-digits', '123456789S'),
  deadline('/slow/capped', '400m'),
  deadline('/slow/capped', '50m'),
  deadline('/uncapped/20S', '20S'),
  deadline('/uncapped/hours', '99999999H'),
  deadline('/both/5S', '5S'),
  grpc('max_stream_duration', '/slow/both'),
  one('max_stream_duration', '/slow/both?plain'),
  one('grpc-timeout of a request that is no gRPC', '/slow/both?timeout', ['grpc-timeout', '400m']),
  deadline('/old/5S', '5S'),
  deadline('/old/none', 'x'),
  deadline('/slow/old', '400m'),
  deadline('/echo/plain-route', '5S'),
  // Tunnels.
  {
    variant: 'plain',
    name: 'a WebSocket that the upstream declines',
    run: (client) =>
      client.send(client.openRequest(1, '', extended('websocket', '/echo/declined', version13))),
  },
  {
    variant: 'plain',
    name: 'an upgrade that is not allowed',
    run: (client) => client.send(client.openRequest(1, '', extended('foo', '/echo/foo'))),
  },
  // Timeouts.
  open('stream_idle_timeout while the client sends', '/echo/idle', [], 'idle'),
  one('stream_idle_timeout while it waits', '/slow/idle', [], 'GET', 'idle'),
  one('gRPC: stream_idle_timeout', '/slow/idle-grpc', GRPC, 'POST', 'idle'),
  open('request_timeout', '/echo/request-timeout', [], 'request'),
  {
    variant: 'headers',
    name: 'request_headers_timeout',
    streams: [1, 3],
    run: async (client) => {
      // The answer to the server's SETTINGS must not come in between.
      await client.until(() => client.hasSettings);
      const head = client.request(1, '/headers-timeout');
      head[4] = FrameFlag.EndStream;
      client.send(head);
      await client.until(() => client.stream(1).ended);
      // The rest of the block is still part of the connection's compression.
      client.send(
        frame(FrameType.Continuation, FrameFlag.EndHeaders, 1, client.peer.block(['x', 'y'])),
      );
      client.send(client.request(3, '/s200?behind'));
    },
  },
  // The end of connections.
  {
    variant: 'drain',
    name: 'max_requests_per_connection: those that cross the first GOAWAY are served',
    streams: [1, 3, 5, 7],
    closes: true,
    run: async (client) => {
      for (const id of [1, 3, 5, 7]) {
        client.send(client.request(id, `/s200?${id}`));
        await client.until(() => client.stream(id).ended);
      }
    },
  },
  {
    variant: 'drain',
    name: 'idle_timeout',
    streams: [1, 3],
    closes: true,
    run: async (client) => {
      client.send(client.request(1, '/s200?idle'));
      await client.until(() => client.goAways.length > 0);
      client.send(client.request(3, '/s200?crossing'));
    },
  },
  {
    variant: 'resets',
    name: 'H2-16 resets at once',
    streams: [],
    closes: true,
    run: (client) => {
      for (let id = 1; id < 31; id += 2) {
        client.send(client.request(id, `/slow/reset/${id}`), client.rst(id, 8));
      }
    },
  },
];
