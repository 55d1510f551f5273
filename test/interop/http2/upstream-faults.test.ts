// What becomes of a request whose HTTP/2 upstream does something else than answer it, side by side with Envoy: one
// bootstrap, the same frames. What the client gets, what the access log says and which counters move must be the
// same, but where docs/differences.md says otherwise (`ours`).

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import type net from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Sidecar, startSidecar } from '../../integration/sidecar.ts';
import { findPeer, skipWithout } from '../peers.ts';
import { type RunningProxy, startProxy } from '../proxies.ts';
import {
  block,
  Flag,
  Frame,
  frame,
  portOf,
  type Script,
  scriptedUpstream,
  uint32,
} from './scripted-upstream.ts';

type Fields = readonly (readonly [string, string])[];

const OK: Fields = [[':status', '200']];
const REFUSED_STREAM = 7;

const head = (id: number, fields: Fields, ends = false): Buffer =>
  frame(Frame.Headers, Flag.EndHeaders | (ends ? Flag.EndStream : 0), id, block(fields));
const data = (id: number, text: string, ends = true): Buffer =>
  frame(Frame.Data, ends ? Flag.EndStream : 0, id, Buffer.from(text));
const reset = (id: number, code: number): Buffer => frame(Frame.RstStream, 0, id, uint32(code));
const goAway = (last: number, code = 0): Buffer =>
  frame(Frame.Goaway, 0, 0, [...uint32(last), ...uint32(code)]);
const good = (id: number): Buffer => Buffer.concat([head(id, OK), data(id, 'fine')]);

const answer: Script = (socket, id) => socket.write(good(id));
const headWith =
  (...fields: Fields): Script =>
  (socket, id) =>
    socket.write(head(id, fields, true));
const resetWith =
  (code: number): Script =>
  (socket, id) =>
    socket.write(reset(id, code));
const frames =
  (make: (id: number) => Buffer[]): Script =>
  (socket, id) =>
    socket.write(Buffer.concat(make(id)));
/** Ends the connection that way once the client has got the head of an answer. */
const afterHead =
  (end: (socket: net.Socket, id: number) => void): Script =>
  (socket, id) => {
    socket.write(head(id, OK));
    socket.write(data(id, 'begun', false));
    setTimeout(() => end(socket, id), 50);
  };

interface Case {
  readonly name: string;
  readonly script: Script;
  readonly method?: string;
  readonly bodyBytes?: number;
  /** The script begins with the request's head; default: with its end. */
  readonly onHead?: boolean;
  readonly route?: string;
  /** Counters that are not compared: docs/differences.md, or noise. */
  readonly uncounted?: readonly string[];
  /** What we say where Envoy says something else: log line of ours. */
  readonly ours?: string;
}

const LOG_TIMEOUT_MS = 20_000;
const CODES = [1, 2, 3, 8, 10, 11, 13, 99] as const;
const resent = [
  'upstream_rq_total',
  'upstream_cx_total',
  'upstream_cx_destroy',
  'upstream_cx_close_notify',
];

const cases: readonly Case[] = [
  { name: 'answers', script: answer },
  ...CODES.map((code) => ({ name: `resets_with_${code}`, script: resetWith(code) })),
  { name: 'refuses', script: resetWith(REFUSED_STREAM), uncounted: resent },
  {
    name: 'refuses_once',
    script: (socket, id, nth) => socket.write(nth === 0 ? reset(id, REFUSED_STREAM) : good(id)),
    uncounted: resent,
    ours: '200 - via_upstream',
  },
  {
    name: 'refuses_behind_a_policy',
    script: (socket, id, nth) => socket.write(nth < 4 ? reset(id, REFUSED_STREAM) : good(id)),
    route: 'retry_policy: { retry_on: refused-stream, num_retries: 1 }',
    uncounted: resent,
    ours: '200 - via_upstream',
  },
  { name: 'refuses_by_goaway', script: (socket) => socket.write(goAway(0)), uncounted: resent },
  { name: 'goes_away_and_closes', script: (socket, id) => socket.end(goAway(id)) },
  { name: 'goes_away_in_anger', script: (socket, id) => socket.end(goAway(id, 11)) },
  { name: 'closes', script: (socket) => socket.end() },
  { name: 'resets_the_connection', script: (socket) => socket.resetAndDestroy() },
  { name: 'resets_in_answer', script: afterHead((socket, id) => socket.write(reset(id, 2))) },
  { name: 'closes_in_answer', script: afterHead((socket) => socket.end()) },
  {
    name: 'says_too_little',
    script: frames((id) => [head(id, [...OK, ['content-length', '5']]), data(id, 'abc')]),
  },
  {
    name: 'says_too_much',
    script: frames((id) => [head(id, [...OK, ['content-length', '2']]), data(id, 'abc')]),
  },
  { name: 'answers_head', method: 'HEAD', script: headWith(...OK, ['content-length', '3']) },
  { name: 'says_304', script: headWith([':status', '304'], ['content-length', '3']) },
  { name: 'says_204_with_length', script: headWith([':status', '204'], ['content-length', '3']) },
  { name: 'says_600', script: headWith([':status', '600']) },
  { name: 'upper_case', script: headWith(...OK, ['X-Up', '1']) },
  { name: 'no_status', script: headWith(['a', 'b']) },
  { name: 'bad_status', script: headWith([':status', 'abc']) },
  { name: 'status_99', script: headWith([':status', '99']) },
  { name: 'status_101', script: headWith([':status', '101']) },
  { name: 'status_twice', script: headWith(...OK, [':status', '201']) },
  { name: 'status_late', script: headWith(['a', 'b'], ...OK) },
  { name: 'pseudo_of_requests', script: headWith(...OK, [':path', '/']) },
  { name: 'connection_header', script: headWith(...OK, ['connection', 'close']) },
  { name: 'transfer_encoding', script: headWith(...OK, ['transfer-encoding', 'chunked']) },
  { name: 'nul_in_value', script: headWith(...OK, ['a', 'b\0c']) },
  { name: 'line_end_in_value', script: headWith(...OK, ['a', 'b\r\nc: d']) },
  {
    name: 'length_twice',
    script: headWith(...OK, ['content-length', '0'], ['content-length', '0']),
  },
  { name: 'length_with_sign', script: headWith(...OK, ['content-length', '+0']) },
  { name: 'padded_value', script: headWith(...OK, ['a', ' b ']) },
  { name: 'hundred_fields', script: headWith(...OK, ...fieldsOf(99, 1)) },
  { name: 'too_many_fields', script: headWith(...OK, ...fieldsOf(101, 1)) },
  {
    name: 'too_large_a_head',
    script: frames((id) => {
      const bytes = block([...OK, ...fieldsOf(40, 2000)]);
      const pieces: Buffer[] = [];
      const most = 16_000;
      for (let at = 0; at < bytes.length; at += most) {
        const type = at === 0 ? Frame.Headers : Frame.Continuation;
        const flags =
          (at === 0 ? Flag.EndStream : 0) | (at + most >= bytes.length ? Flag.EndHeaders : 0);
        pieces.push(frame(type, flags, id, bytes.subarray(at, at + most)));
      }
      return pieces;
    }),
  },
  { name: 'informational', script: frames((id) => [head(id, [[':status', '103']]), good(id)]) },
  { name: 'informational_end', script: headWith([':status', '103']) },
  { name: 'body_first', script: frames((id) => [data(id, 'x', false), good(id)]) },
  { name: 'body_only', script: frames((id) => [data(id, 'x')]) },
  { name: 'trailers', script: frames((id) => [head(id, OK), head(id, [['t', '1']], true)]) },
  { name: 'trailers_without_end', script: frames((id) => [head(id, OK), head(id, [['t', '1']])]) },
  {
    name: 'pushes',
    script: frames((id) => [frame(Frame.PushPromise, 4, id, uint32(2)), good(id)]),
  },
  { name: 'unknown_frame', script: frames((id) => [frame(99, 0, id, [1, 2, 3]), good(id)]) },
  {
    name: 'window_of_zero',
    script: frames((id) => [frame(Frame.WindowUpdate, 0, id, uint32(0)), good(id)]),
  },
  { name: 'short_reset', script: frames((id) => [frame(Frame.RstStream, 0, id, [1])]) },
  {
    name: 'bad_settings',
    script: frames(() => [frame(Frame.Settings, 0, 0, [0, 4, 255, 255, 255, 255])]),
  },
  { name: 'answers_early', script: answer, method: 'POST', bodyBytes: 200_000, onHead: true },
  {
    name: 'answers_early_and_resets',
    script: frames((id) => [good(id), reset(id, 0)]),
    method: 'POST',
    bodyBytes: 200_000,
    onHead: true,
  },
  {
    // More than is kept, so that it is told.
    name: 'refuses_early',
    script: resetWith(REFUSED_STREAM),
    method: 'POST',
    bodyBytes: 200_000,
    onHead: true,
    uncounted: resent,
  },
];

function fieldsOf(count: number, bytes: number): Fields {
  return Array.from({ length: count }, (_, i) => [`h${i}`, 'v'.repeat(bytes)] as const);
}

/** Below `cluster.<name>.` */
const counters = [
  'upstream_rq_total',
  'upstream_rq_completed',
  'upstream_rq_unknown',
  'upstream_rq_rx_reset',
  'upstream_rq_tx_reset',
  'upstream_rq_pending_failure_eject',
  'upstream_cx_total',
  'upstream_cx_destroy',
  'upstream_cx_close_notify',
  'upstream_cx_protocol_error',
  'upstream_cx_destroy_with_active_rq',
];

const types = 'type.googleapis.com/envoy.extensions';
const options = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const LOG_FORMAT =
  '{ path: "%REQ(:PATH)%", line: "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%" }';

function bootstrap(listen: number, log: string, ports: ReadonlyMap<string, number>): string {
  const routes = cases.map(
    ({ name, route = '' }) =>
      `{ match: { path: /${name} }, route: { cluster: ${name}, timeout: 5s, ${route} } }`,
  );
  const clusters = cases.map(
    ({ name }) => `
    - name: ${name}
      type: STATIC
      connect_timeout: 5s
      load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${ports.get(name)} } } } }] }] }
      typed_extension_protocol_options: { ${options}: { "@type": type.googleapis.com/${options}, explicit_http_config: { http2_protocol_options: {} } } }`,
  );
  return `
static_resources:
  listeners:
    - name: l
      address: { socket_address: { address: 127.0.0.1, port_value: ${listen} } }
      filter_chains:
        - filters:
            - name: hcm
              typed_config:
                "@type": ${types}.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: h
                http_protocol_options: { enable_trailers: true }
                access_log: [{ name: f, typed_config: { "@type": ${types}.access_loggers.file.v3.FileAccessLog, path: ${log}, log_format: { json_format: ${LOG_FORMAT} } } }]
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], routes: [${routes.join()}] }] }
                http_filters: [{ name: router, typed_config: { "@type": ${types}.filters.http.router.v3.Router } }]
  clusters:${clusters.join('')}
`;
}

/** One of the two proxies, with upstreams of its own: scripts count their requests. */
class Side {
  /** By name of the case: what the client got, and the access log's line. */
  readonly answers = new Map<string, string>();
  readonly lines = new Map<string, string>();
  readonly #log: string;
  readonly #servers = new Map<string, net.Server>();
  #port = 0;
  #admin: (path: string) => Promise<string> = async () => '';
  #stop: () => Promise<void> = async () => {};

  constructor(directory: string, kind: string) {
    this.#log = join(directory, `${kind}.log`);
  }

  async #startUpstreams(): Promise<ReadonlyMap<string, number>> {
    for (const { name, script, onHead = false } of cases) {
      this.#servers.set(name, await scriptedUpstream(script, onHead ? 'head' : 'whole'));
    }
    return new Map([...this.#servers].map(([name, server]) => [name, portOf(server)]));
  }

  async startEnvoy(binary: string): Promise<void> {
    const ports = await this.#startUpstreams();
    const proxy: RunningProxy = await startProxy('envoy', binary, ({ listen, admin }) => {
      const address = `{ socket_address: { address: 127.0.0.1, port_value: ${admin} } }`;
      return `admin: { address: ${address} }\n${bootstrap(listen, this.#log, ports)}`;
    });
    this.#port = proxy.ports.listen;
    this.#admin = (path) => proxy.admin(path);
    this.#stop = () => proxy.stop();
  }

  async startRemora(): Promise<void> {
    const ports = await this.#startUpstreams();
    const sidecar: Sidecar = await startSidecar(bootstrap(0, this.#log, ports));
    this.#port = sidecar.port('l');
    this.#admin = (path) => sidecar.admin(path);
    this.#stop = () => sidecar.stop();
  }

  async stop(): Promise<void> {
    await this.#stop();
    for (const server of this.#servers.values()) server.close();
  }

  /** Status, body and trailers. */
  async #ask({ name, method, bodyBytes = 0 }: Case): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const request = http.request({
      ...{ host: '127.0.0.1', port: this.#port, path: `/${name}`, agent: false },
      method: method ?? 'GET',
    });
    request.on('error', (error) => resolve(error.message));
    request.on('response', (response) => {
      let body = '';
      const tell = (): void =>
        resolve(`${response.statusCode} ${body} ${JSON.stringify(response.trailers)}`);
      response.setEncoding('latin1');
      response.on('data', (text) => {
        body += text;
      });
      response.on('end', tell);
      response.on('error', tell);
    });
    request.end(bodyBytes === 0 ? undefined : Buffer.alloc(bodyBytes));
    const told = await promise;
    request.destroy();
    return told;
  }

  /** All cases in turn; returns when the log has a line for each. */
  async askAll(): Promise<void> {
    for (const it of cases) this.answers.set(it.name, await this.#ask(it));
    const deadline = performance.now() + LOG_TIMEOUT_MS;
    while (this.lines.size < cases.length && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      for (const text of readFileSync(this.#log, 'utf8').split('\n')) {
        if (!text.endsWith('}')) continue;
        const { path, line } = JSON.parse(text) as { path: string; line: string };
        this.lines.set(path.slice(1), line);
      }
    }
  }

  async counters(name: string, without: readonly string[]): Promise<Record<string, number>> {
    const text = await this.#admin(`/stats?filter=^cluster\\.${name}\\.upstream_`);
    const all = new Map(
      text.split('\n').map((line) => {
        const [stat = '', value] = line.split(': ');
        return [stat, Number(value)];
      }),
    );
    const wanted = counters.filter((counter) => !without.includes(counter));
    return Object.fromEntries(
      wanted.map((counter) => [counter, all.get(`cluster.${name}.${counter}`) ?? 0]),
    );
  }
}

describe('an HTTP/2 upstream that', { skip: skipWithout('envoy') }, () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-faults-'));
  const envoy = new Side(directory, 'envoy');
  const remora = new Side(directory, 'remora');

  before(async () => {
    await envoy.startEnvoy(findPeer('envoy')!);
    await remora.startRemora();
    await Promise.all([envoy.askAll(), remora.askAll()]);
  });

  after(async () => {
    await Promise.all([envoy.stop(), remora.stop()]);
    rmSync(directory, { recursive: true, force: true });
  });

  for (const it of cases) {
    test(it.name, async () => {
      const { name } = it;
      if (it.ours === undefined) {
        assert.equal(remora.answers.get(name), envoy.answers.get(name));
        assert.equal(remora.lines.get(name), envoy.lines.get(name));
      } else {
        assert.notEqual(envoy.lines.get(name), it.ours, 'the same by now');
        assert.equal(remora.lines.get(name), it.ours);
      }
      const without = it.uncounted ?? [];
      assert.deepEqual(await remora.counters(name, without), await envoy.counters(name, without));
    });
  }
});
