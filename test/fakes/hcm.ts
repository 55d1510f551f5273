// One HTTP connection manager over a fake connection: requests go in as text, responses come out as text.
// Filters are scripted; the last one answers as a router would.

import { AssertionError } from 'node:assert';
import type { LogContext } from '../../dataplane/api/access-log.ts';
import type { ClusterManager } from '../../dataplane/api/cluster.ts';
import type { HcmConfig } from '../../dataplane/api/config/hcm.ts';
import { defaultHttp2 } from '../../dataplane/api/config/http2.ts';
import type { HttpFilterContext, WorkerContext } from '../../dataplane/api/factory.ts';
import type { RequestHeaders, ResponseHeaders, Trailers } from '../../dataplane/api/headers.ts';
import {
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  type HttpFilterConfig,
  type StreamDecoderFilter,
  type StreamDecoderFilterCallbacks,
  type StreamEncoderFilter,
  type StreamEncoderFilterCallbacks,
  type StreamFilter,
} from '../../dataplane/api/http-filter.ts';
import type { Route, RouteTable } from '../../dataplane/api/route.ts';
import { HttpConnectionManagerConfig } from '../../dataplane/hcm/config.ts';
import { ConnectionManager } from '../../dataplane/hcm/connection-manager.ts';
import type { FilterEntry } from '../../dataplane/hcm/filter-manager-host.ts';
import { HttpStreamInfo } from '../../dataplane/http/stream-info.ts';
import { takeSnapshot } from '../../dataplane/stats/snapshot.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import { FakeConnection } from './connection.ts';
import { FakeTimers } from './timers.ts';

/** Envoy's defaults. */
export const defaultHcmConfig: HcmConfig = {
  statPrefix: 'test',
  codecType: 'AUTO',
  routes: { kind: 'rds', name: 'unused' },
  httpFilters: [],
  upgrades: [],
  accessLogs: [],
  serverName: 'envoy',
  serverHeaderTransformation: 'OVERWRITE',
  via: '',
  useRemoteAddress: false,
  skipXffAppend: false,
  xffNumTrustedHops: 0,
  appendXForwardedPort: false,
  originalIpDetection: [],
  schemeToOverwrite: '',
  schemeMatchesUpstream: false,
  internalCidrs: [],
  internalUnixSockets: false,
  generateRequestId: true,
  preserveExternalRequestId: false,
  alwaysSetRequestIdInResponse: false,
  packTraceReason: true,
  forwardClientCertDetails: 'SANITIZE',
  setCurrentClientCertDetails: {
    subject: false,
    dns: false,
    uri: false,
    cert: false,
    chain: false,
    issuer: false,
    format: 'TEXT',
  },
  normalizePath: false,
  mergeSlashes: false,
  pathWithEscapedSlashesAction: 'KEEP_UNCHANGED',
  stripMatchingHostPort: false,
  stripAnyHostPort: false,
  stripTrailingHostDot: false,
  headersWithUnderscoresAction: 'ALLOW',
  suppressEnvoyHeaders: false,
  http1: {
    acceptHttp10: false,
    defaultHostForHttp10: '',
    enableTrailers: true,
    allowAbsoluteUrl: true,
    properCaseHeaderKeys: false,
    preserveCase: null,
    allowChunkedLength: false,
    allowCustomMethods: false,
    ignoredUpgrades: [],
  },
  http2: defaultHttp2,
  proxy100Continue: false,
  http1SafeMaxConnectionDuration: false,
  maxRequestHeadersKb: 60,
  maxHeadersCount: 100,
  idleTimeoutMs: 3_600_000,
  maxConnectionDurationMs: 0,
  streamIdleTimeoutMs: 300_000,
  streamFlushTimeoutMs: null,
  requestTimeoutMs: 0,
  requestHeadersTimeoutMs: 0,
  drainTimeoutMs: 5_000,
  delayedCloseTimeoutMs: 1_000,
  maxConnectionDurationJitterPercent: 0,
  drainTimeoutJitterPercent: 0,
  maxStreamDurationMs: 0,
  maxRequestsPerConnection: 0,
  prematureResets: { totalStreamCount: 500, minStreamLifetimeS: 1 },
  maxRequestsPerIoCycle: 128,
  streamErrorOnInvalidHttpMessage: false,
  localReply: null,
};

/** Returns of a scripted filter by callback; a list is used up call by call, its last entry stays. */
export interface FilterScript {
  readonly decodeHeaders?: FilterHeadersStatus | ((filter: ScriptedFilter) => FilterHeadersStatus);
  readonly decodeData?: FilterDataStatus | ((filter: ScriptedFilter) => FilterDataStatus);
  readonly decodeTrailers?: FilterTrailersStatus;
  readonly encodeHeaders?: FilterHeadersStatus | ((filter: ScriptedFilter) => FilterHeadersStatus);
  readonly encodeData?: FilterDataStatus | ((filter: ScriptedFilter) => FilterDataStatus);
  readonly encodeTrailers?: FilterTrailersStatus;
  /** Default 'both'. */
  readonly halves?: 'both' | 'decoder' | 'encoder';
}

/** Writes every call into a shared journal: `name.decodeHeaders end`, `name.decodeData abc`. */
export class ScriptedFilter implements StreamDecoderFilter, StreamEncoderFilter {
  readonly name: string;
  decoderCallbacks!: StreamDecoderFilterCallbacks;
  encoderCallbacks!: StreamEncoderFilterCallbacks;
  requestHeaders: RequestHeaders | null = null;
  responseHeaders: ResponseHeaders | null = null;
  readonly #script: FilterScript;
  readonly #journal: string[];

  constructor(name: string, script: FilterScript, journal: string[]) {
    this.name = name;
    this.#script = script;
    this.#journal = journal;
  }

  setDecoderFilterCallbacks(callbacks: StreamDecoderFilterCallbacks): void {
    this.decoderCallbacks = callbacks;
  }

  setEncoderFilterCallbacks(callbacks: StreamEncoderFilterCallbacks): void {
    this.encoderCallbacks = callbacks;
  }

  decodeHeaders(headers: RequestHeaders, endStream: boolean): FilterHeadersStatus {
    this.requestHeaders = headers;
    this.#note('decodeHeaders', '', endStream);
    return this.#play(this.#script.decodeHeaders, FilterHeadersStatus.Continue);
  }

  decodeData(data: Buffer, endStream: boolean): FilterDataStatus {
    this.#note('decodeData', data.toString('latin1'), endStream);
    return this.#play(this.#script.decodeData, FilterDataStatus.Continue);
  }

  decodeTrailers(trailers: Trailers): FilterTrailersStatus {
    this.#note('decodeTrailers', trailers.join(':'), false);
    return this.#script.decodeTrailers ?? FilterTrailersStatus.Continue;
  }

  encodeHeaders(headers: ResponseHeaders, endStream: boolean): FilterHeadersStatus {
    this.responseHeaders = headers;
    this.#note('encodeHeaders', String(headers.status), endStream);
    return this.#play(this.#script.encodeHeaders, FilterHeadersStatus.Continue);
  }

  encodeData(data: Buffer, endStream: boolean): FilterDataStatus {
    this.#note('encodeData', data.toString('latin1'), endStream);
    return this.#play(this.#script.encodeData, FilterDataStatus.Continue);
  }

  encodeTrailers(trailers: Trailers): FilterTrailersStatus {
    this.#note('encodeTrailers', trailers.join(':'), false);
    return this.#script.encodeTrailers ?? FilterTrailersStatus.Continue;
  }

  onDestroy(): void {
    this.#journal.push(`${this.name}.onDestroy`);
  }

  #play<S>(step: S | ((filter: ScriptedFilter) => S) | undefined, otherwise: S): S {
    if (step === undefined) return otherwise;
    // A status is a number, never a function.
    return typeof step === 'function' ? (step as (filter: ScriptedFilter) => S)(this) : step;
  }

  #note(call: string, what: string, endStream: boolean): void {
    this.#journal.push(
      `${this.name}.${call}${what === '' ? '' : ` ${what}`}${endStream ? ' end' : ''}`,
    );
  }
}

/** A route with nothing special, overridden where the test needs it. */
export function fakeRoute(overrides: Partial<Route> = {}): Route {
  return {
    name: 'r',
    virtualHostName: 'v',
    kind: 'route',
    clusterName: 'c',
    idleTimeoutMs: null,
    maxStreamDurationMs: null,
    grpcTimeoutHeader: null,
    flushTimeoutMs: null,
    perFilterConfig: () => null,
    allPerFilterConfigs: () => [],
    finalizeResponseHeaders: () => {},
    isFilterDisabled: () => false,
    upgradeEnabled: () => null,
    ...overrides,
  };
}

export interface HcmScenarioOptions {
  readonly config?: Partial<HcmConfig>;
  /** In chain order, before the router; `router` itself can be given to script it. */
  readonly filters?: Readonly<Record<string, FilterScript>>;
  /** Real filters, put before the scripted ones. */
  readonly realFilters?: readonly FilterEntry[];
  readonly route?: Route | null;
  /** In place of a table with `route` alone. */
  readonly routes?: RouteTable;
  readonly internalOnlyHeaders?: readonly string[];
  readonly bufferLimitBytes?: number;
  readonly connection?: FakeConnection;
  /** Shared with the real filters, so that stat() sees theirs. */
  readonly timers?: FakeTimers;
  readonly store?: HolderStore;
}

/** See the file head. `router` is the scripted terminal filter of the latest request. */
export class HcmScenario {
  readonly timers: FakeTimers;
  readonly connection: FakeConnection;
  readonly config: HttpConnectionManagerConfig;
  readonly journal: string[] = [];
  readonly logs: LogLine[] = [];
  /** What was thrown and contained. */
  readonly bugs: unknown[] = [];
  readonly store: HolderStore;
  /** The filters of the latest stream by name. */
  readonly filters = new Map<string, ScriptedFilter>();
  healthchecksFail = false;
  /** What the listener's access log shows. */
  readonly connectionInfo: HttpStreamInfo;
  /** How often a route was looked up. */
  routeMatches = 0;
  readonly #manager: ConnectionManager;

  constructor(options: HcmScenarioOptions = {}) {
    this.connection = options.connection ?? new FakeConnection();
    this.timers = options.timers ?? new FakeTimers();
    this.store = options.store ?? new HolderStore();
    const route = options.route === undefined ? fakeRoute() : options.route;
    const routes: RouteTable = options.routes ?? {
      internalOnlyHeadersOf: () => options.internalOnlyHeaders ?? [],
      missing: () => null,
      match: () => {
        this.routeMatches++;
        return route;
      },
    };
    const scripts: [string, FilterScript][] = Object.entries(options.filters ?? {});
    if (options.filters?.['router'] === undefined) {
      scripts.push(['router', { decodeHeaders: FilterHeadersStatus.StopIteration }]);
    }
    const scripted = scripts.map(([name, script]) => ({
      name,
      disabled: false,
      config: this.#scripted(name, script),
    }));
    this.config = new HttpConnectionManagerConfig(
      { ...defaultHcmConfig, ...options.config },
      routes,
      {
        filters: [...(options.realFilters ?? []), ...scripted],
        accessLoggers: [{ log: (context) => this.logs.push(logLine(context)) }],
        worker: {
          timers: this.timers,
          clock: this.timers.clock,
          random: () => 0.5,
          stats: this.store,
          reportBug: (thrown) => {
            if (thrown instanceof AssertionError) throw thrown; // a test's, not ours
            this.bugs.push(thrown);
          },
          healthchecksFail: () => this.healthchecksFail,
        },
        ...(options.bufferLimitBytes === undefined
          ? {}
          : { bufferLimitBytes: options.bufferLimitBytes }),
        localAddress: '192.0.2.2',
      },
    );
    this.#manager = new ConnectionManager(this.config);
    const { connection } = this;
    this.connectionInfo = new HttpStreamInfo(connection, 'chain', '', 0, 0);
    this.#manager.initializeReadFilterCallbacks({
      connection,
      streamInfo: this.connectionInfo,
      continueReading: () => {},
    });
    this.#manager.onNewConnection();
  }

  #scripted(name: string, script: FilterScript): HttpFilterConfig {
    return {
      createFilter: (): StreamFilter => {
        const filter = new ScriptedFilter(name, script, this.journal);
        this.filters.set(name, filter);
        return {
          decoder: script.halves === 'encoder' ? null : filter,
          encoder:
            script.halves === 'decoder' || (name === 'router' && script.halves === undefined)
              ? null
              : filter,
        };
      },
    };
  }

  /** Bytes from the client. */
  send(text: string): void {
    this.#manager.onData(Buffer.from(text, 'latin1'), false);
  }

  /** A GET without body; `headers` are whole lines with CRLF. */
  get(path = '/', headers = ''): void {
    this.send(`GET ${path} HTTP/1.1\r\nHost: h\r\n${headers}\r\n`);
  }

  /** The terminal filter's callbacks of the latest stream. */
  get router(): StreamDecoderFilterCallbacks {
    return this.filters.get('router')!.decoderCallbacks;
  }

  /** The request as the router got it. */
  get upstreamRequest(): RequestHeaders {
    return this.filters.get('router')!.requestHeaders!;
  }

  /** Value of a stat, 0 when it was never touched. */
  stat(name: string): number {
    const entry = takeSnapshot(this.store).find((candidate) => candidate.name === name);
    return entry !== undefined && typeof entry.value === 'number' ? entry.value : 0;
  }
}

/** What a log line is judged by. */
export interface LogLine {
  readonly method: string | null;
  readonly path: string | null;
  readonly code: number;
  readonly flags: number;
  readonly details: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly remote: string;
  readonly durationMs: number;
  readonly localReplyBody: string;
}

function logLine(context: LogContext): LogLine {
  const info = context.streamInfo;
  return {
    method: context.requestHeaders?.method ?? null,
    path: context.requestHeaders?.path ?? null,
    code: info.responseCode,
    flags: info.responseFlags,
    details: info.responseCodeDetails,
    bytesReceived: info.bytesReceived,
    bytesSent: info.bytesSent,
    remote: info.downstreamRemoteAddress.ip,
    durationMs: info.endMs - info.startMs,
    localReplyBody: context.localReplyBody,
  };
}

/** What the HTTP filters of this release use of a worker; anything else would fail loudly. */
export function fakeFilterContext(scenarioParts: {
  readonly store: HolderStore;
  readonly timers: FakeTimers;
  readonly random?: () => number;
  readonly clusterManager?: ClusterManager;
}): HttpFilterContext {
  const worker = {
    stats: scenarioParts.store,
    timers: scenarioParts.timers,
    clock: scenarioParts.timers.clock,
    random: scenarioParts.random ?? (() => 0.5),
    clusterManager: scenarioParts.clusterManager,
  };
  // A partial worker: a filter that reaches for more gets a TypeError in its test.
  return { statPrefix: 'test', worker: worker as unknown as WorkerContext };
}
