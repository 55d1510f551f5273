// A sidecar between a raw client and a raw upstream, and the common oracle of the hostile suites: the answer is as
// expected, the upstream saw nothing or exactly one well-formed request, a counter moved, the access log says why,
// and meanwhile a good request on another connection was served. Each suite judges memory once, at its end.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type ParsedRequest, parseStream } from '../garden/strict-parser.ts';
import { type Sidecar, startSidecar } from '../integration/sidecar.ts';

/** Plays the upstream's part in one request; `request` is whole and well-formed. */
export type Answer = (socket: net.Socket, request: ParsedRequest) => void;

const goodAnswer: Answer = (socket) => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood');
};

/** What the upstream saw on one connection. */
class UpstreamConnection {
  readonly socket: net.Socket;
  received = Buffer.alloc(0);
  answered = 0;

  constructor(socket: net.Socket) {
    this.socket = socket;
  }
}

/** Answers by path, and remembers every byte that the proxy sent. */
export class RecordingUpstream {
  readonly answers = new Map<string, Answer>();
  /** To what `answers` does not name. */
  otherAnswer: Answer = goodAnswer;
  /** Called with every new connection, before its first byte. */
  onConnection: ((socket: net.Socket) => void) | null = null;
  readonly #server = net.createServer((socket) => this.#accept(socket));
  readonly #connections = new Set<UpstreamConnection>();
  #requests: ParsedRequest[] = [];
  #broken: string[] = [];
  #opened = 0;

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return (this.#server.address() as net.AddressInfo).port; // it listens on TCP
  }

  #accept(socket: net.Socket): void {
    const connection = new UpstreamConnection(socket);
    this.#opened++;
    this.#connections.add(connection);
    socket.on('error', () => {}); // resets are what is tested
    socket.on('close', () => this.#connections.delete(connection));
    socket.on('data', (chunk: Buffer) => this.#read(connection, chunk));
    this.onConnection?.(socket);
  }

  #read(connection: UpstreamConnection, chunk: Buffer): void {
    connection.received = Buffer.concat([connection.received, chunk]);
    const { requests, end, rest, reason } = parseStream(connection.received);
    connection.received = connection.received.subarray(end);
    if (rest === 'malformed') this.#broken.push(reason);
    for (const request of requests) {
      this.#requests.push(request);
      (this.answers.get(request.target) ?? this.otherAnswer)(connection.socket, request);
    }
  }

  /** Whole requests since the last call. Fails when something came that is no well-formed request. */
  take(): ParsedRequest[] {
    assert.deepEqual(this.#broken, [], 'the upstream got something malformed');
    const taken = this.#requests;
    this.#requests = [];
    return taken;
  }

  /** Connections that were ever opened. */
  get opened(): number {
    return this.#opened;
  }

  get openConnections(): number {
    return this.#connections.size;
  }

  close(): void {
    for (const { socket } of this.#connections) socket.destroy();
    this.#server.close();
  }
}

/** One line of the access log. */
export interface LogEntry {
  readonly path: string | null;
  readonly code: number;
  readonly flags: string | null;
  readonly details: string | null;
  readonly termination: string | null;
}

const LOG_FORMAT =
  '{ path: "%REQ(:PATH)%", code: "%RESPONSE_CODE%", flags: "%RESPONSE_FLAGS%", details: "%RESPONSE_CODE_DETAILS%", termination: "%CONNECTION_TERMINATION_DETAILS%" }';

export interface HostileOptions {
  /** More of the HttpConnectionManager, YAML lines in flow style. */
  readonly hcm?: readonly string[];
  /** HTTP filters before the router, in flow style. */
  readonly filters?: readonly string[];
  /** More of the virtual host, in flow style: `routes` when it is not the one route to the upstream. */
  readonly virtualHost?: string;
  /** More of the listener, YAML lines in flow style. */
  readonly listener?: readonly string[];
  /** More of the cluster, YAML lines in flow style. */
  readonly cluster?: readonly string[];
  readonly bootstrap?: string;
  /** The access log has a line per connection, too: without path and code. */
  readonly logsConnections?: boolean;
  /** More access loggers, in flow style. */
  readonly logs?: readonly string[];
  readonly concurrency?: number;
}

const lines = (list: readonly string[] | undefined, indent: number): string =>
  (list ?? []).map((line) => `\n${' '.repeat(indent)}${line}`).join('');

function bootstrapYaml(options: HostileOptions, upstreamPort: number, log: string): string {
  const routes =
    options.virtualHost ?? 'routes: [{ match: { prefix: / }, route: { cluster: upstream } }]';
  const logger = `{ name: f, typed_config: { "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: ${log}, log_format: { json_format: ${LOG_FORMAT} } } }`;
  const connections = options.logsConnections === true ? [`access_log: [${logger}]`] : [];
  const router =
    '{ name: router, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }';
  return `${options.bootstrap ?? ''}
static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: 0 } }${lines([...connections, ...(options.listener ?? [])], 6)}
      filter_chains:
        - filters:
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: ingress
                access_log: [${logger}${(options.logs ?? []).map((log) => `, ${log}`).join('')}]
                route_config: { virtual_hosts: [{ name: all, domains: ["*"], ${routes} }] }
                http_filters: [${[...(options.filters ?? []), router].join(', ')}]${lines(options.hcm, 16)}
  clusters:
    - name: upstream
      type: STATIC
      connect_timeout: 5s${lines(options.cluster, 6)}
      load_assignment: { cluster_name: upstream, endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${upstreamPort} } } } }] }] }
`;
}

/** What a client got. */
export interface Received {
  /** Everything, as latin1. */
  readonly text: string;
  /** How the connection ended from the proxy's side within the time given; null = it is open. */
  readonly end: 'fin' | 'reset' | null;
}

export const statusOf = ({ text }: Received): number =>
  Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1] ?? 0);

const ENOUGH_MS = 10_000;

/** See the file head. */
export class HostileScene {
  readonly sidecar: Sidecar;
  readonly upstream: RecordingUpstream;
  readonly port: number;
  readonly #directory: string;
  #logRead = 0;

  private constructor(sidecar: Sidecar, upstream: RecordingUpstream, directory: string) {
    this.sidecar = sidecar;
    this.upstream = upstream;
    this.port = sidecar.port('ingress');
    this.#directory = directory;
  }

  static async start(options: HostileOptions = {}): Promise<HostileScene> {
    const upstream = new RecordingUpstream();
    const directory = mkdtempSync(join(tmpdir(), 'remora-hostile-'));
    const yaml = bootstrapYaml(options, await upstream.listen(), join(directory, 'access.log'));
    try {
      const sidecar = await startSidecar(yaml, { concurrency: options.concurrency ?? 1 });
      return new HostileScene(sidecar, upstream, directory);
    } catch (thrown) {
      upstream.close();
      rmSync(directory, { recursive: true, force: true });
      throw thrown;
    }
  }

  async stop(): Promise<void> {
    await this.sidecar.stop();
    this.upstream.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  connect(): net.Socket {
    const socket = net.connect(this.port, '127.0.0.1');
    socket.on('error', () => {}); // resets are what is tested
    return socket;
  }

  /** Sends bytes on a connection of their own and reads until `isEnough` or the end. */
  async send(
    bytes: string | Buffer,
    isEnough: (text: string) => boolean = () => false,
    timeoutMs = ENOUGH_MS,
  ): Promise<Received> {
    const socket = this.connect();
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    const received = await receive(socket, isEnough, timeoutMs);
    socket.destroy();
    return received;
  }

  /** The good request of the oracle: on a connection of its own, answered by the upstream. */
  async good(): Promise<number> {
    const startedMs = performance.now();
    const { text } = await this.send('GET /good HTTP/1.1\r\nHost: good\r\n\r\n', (got) =>
      got.endsWith('good'),
    );
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\ngood$/s, 'the good request failed');
    return performance.now() - startedMs;
  }

  async stats(): Promise<ReadonlyMap<string, number>> {
    const text = await this.sidecar.admin('/stats');
    return new Map(
      text
        .split('\n')
        .map((line): [string, number] => {
          const [name = '', value = ''] = line.split(': ');
          return [name, Number(value)];
        })
        .filter(([, value]) => !Number.isNaN(value)),
    );
  }

  /** At least `count` new lines of the access log without those of good requests; waits for them. */
  async logLines(count: number): Promise<LogEntry[]> {
    const deadline = performance.now() + ENOUGH_MS;
    for (;;) {
      await this.sidecar.admin('/reopen_logs', 'POST'); // which flushes
      const text = readFileSync(join(this.#directory, 'access.log'), 'latin1');
      // The last line may be on its way.
      const end = text.lastIndexOf('\n') + 1;
      const entries = text
        .slice(this.#logRead, end)
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as LogEntry) // by LOG_FORMAT
        .filter(({ path }) => path !== '/good');
      if (entries.length >= count) {
        this.#logRead = end;
        return entries;
      }
      assert.ok(performance.now() < deadline, `${entries.length} of ${count} log lines came`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Reads until `isEnough`, the end, or the time is over. */
export function receive(
  socket: net.Socket,
  isEnough: (text: string) => boolean,
  timeoutMs = ENOUGH_MS,
): Promise<Received> {
  return new Promise((resolve) => {
    let text = '';
    let end: Received['end'] = null;
    const finish = () => {
      clearTimeout(timer);
      socket.removeListener('data', onData);
      socket.removeListener('end', onEnd);
      socket.removeListener('error', onError);
      socket.removeListener('close', finish);
      resolve({ text, end });
    };
    const onData = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (isEnough(text)) finish();
    };
    const onEnd = () => {
      end ??= 'fin';
      finish();
    };
    const onError = () => {
      end = 'reset';
    };
    const timer = setTimeout(finish, timeoutMs);
    socket.on('data', onData);
    socket.on('end', onEnd);
    socket.on('error', onError);
    socket.on('close', finish);
  });
}

/** A whole response with content-length has come. */
export function isWhole(text: string): boolean {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd === -1) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, headEnd))?.[1];
  return length !== undefined && text.length >= headEnd + 4 + Number(length);
}

/** Sum of what counters grew by, over the names that `pattern` matches. */
export function growth(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  pattern: RegExp,
): number {
  let sum = 0;
  for (const [name, value] of after) {
    if (pattern.test(name)) sum += value - (before.get(name) ?? 0);
  }
  return sum;
}

setFlagsFromString('--expose-gc');
const collectGarbage: unknown = runInNewContext('gc');

/** Resident memory after collection of this thread's, in bytes. Tests run in the sidecar's process. */
export function residentBytes(): number {
  if (typeof collectGarbage === 'function') collectGarbage();
  return process.memoryUsage.rss();
}
