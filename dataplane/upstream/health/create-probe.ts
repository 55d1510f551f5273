// Which probe a config asks for, with its connections. Called by health-checker for each host.

import type { Clock, Random } from '../../../common/clock.ts';
import type { TimerService } from '../../../common/timer.ts';
import type { ClusterConfig, PlacedHost } from '../../api/config/cluster.ts';
import type { HealthCheckConfig } from '../../api/config/health-check.ts';
import type { SocketAddress } from '../../api/connection.ts';
import type { HeaderMutationsData } from '../../api/matcher-data.ts';
import type { ClientOptions } from '../../http/h1/options.ts';
import { Http2ClientConnection } from '../../http/h2/client-connection.ts';
import type { Http2ClientOptions } from '../../http/h2/options.ts';
import type { ClusterTls } from '../cluster-tls.ts';
import { connectToHost } from '../host-connection.ts';
import { H1Session } from '../pool/h1-session.ts';
import { H2Session } from '../pool/h2-session.ts';
import type { PoolConnection } from '../pool/pool-context.ts';
import type { CheckClientOptions } from './check-client.ts';
import { type CheckHeaders, compileCheckHeaders } from './check-headers.ts';
import { GrpcProbe } from './grpc-probe.ts';
import { HttpProbe } from './http-probe.ts';
import type { Probe, ProbeObserver } from './probe.ts';
import { TcpProbe } from './tcp-probe.ts';

/** What the probes of one cluster share. */
export interface ProbeContext {
  readonly cluster: ClusterConfig;
  readonly check: HealthCheckConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  /** Null = plaintext. */
  readonly tls: ClusterTls | null;
  readonly http1: ClientOptions;
  readonly http2: Http2ClientOptions;
  /** Unique in the process. */
  nextConnectionId(): number;
}

/** The session's timeout ends a check; this one is only there because connections want one. */
const CONNECT_GRACE_MS = 1000;
const ALPN_HTTP2 = ['h2'];

export function createProbe(
  context: ProbeContext,
  host: PlacedHost,
  observer: ProbeObserver,
): Probe {
  const { check, clock } = context;
  const { checker, reuseConnection } = check;
  const wallMs = () => clock.wallMs();
  switch (checker.kind) {
    case 'TCP':
      return new TcpProbe(
        { check: checker, reuseConnection, connect: () => connectFor(context, host, []) },
        observer,
      );
    case 'HTTP': {
      const { protocol } = checker;
      return new HttpProbe(
        {
          ...clientOptions(context, host, protocol),
          check: checker,
          reuseConnection,
          authority: authorityOf(host, checker.host, context),
          scheme: schemeOf(context),
          addHeaders: headersOf(checker.headers, host, protocol, context),
          wallMs,
        },
        observer,
      );
    }
    case 'GRPC':
      return new GrpcProbe(
        {
          ...clientOptions(context, host, 'HTTP/2'),
          serviceName: checker.serviceName,
          reuseConnection,
          authority: authorityOf(host, checker.authority, context),
          scheme: schemeOf(context),
          timeoutMs: check.timeoutMs,
          addMetadata: headersOf(checker.metadata, host, 'HTTP/2', context),
          wallMs,
        },
        observer,
      );
    default:
      return checker satisfies never;
  }
}

function clientOptions(
  context: ProbeContext,
  host: PlacedHost,
  protocol: 'HTTP/1.1' | 'HTTP/2',
): Omit<CheckClientOptions, 'exchange'> {
  if (protocol === 'HTTP/1.1') {
    return {
      connect: () => connectFor(context, host, []),
      createSession: (owner, connection) => new H1Session(owner, connection, context.http1),
    };
  }
  const pool = {
    createHttp2Codec: (
      connection: PoolConnection,
      callbacks: ConstructorParameters<typeof Http2ClientConnection>[2],
    ) => new Http2ClientConnection(connection, context.http2, callbacks),
  };
  return {
    connect: () => connectFor(context, host, ALPN_HTTP2),
    createSession: (owner, connection) => new H2Session(owner, connection, pool, 1),
  };
}

function connectFor(
  { cluster, check, timers, tls, nextConnectionId }: ProbeContext,
  host: PlacedHost,
  alpnProtocols: readonly string[],
): PoolConnection {
  return connectToHost({
    id: nextConnectionId(),
    config: cluster,
    timers,
    tls,
    address: checkAddress(host, check),
    hostname: host.hostname,
    serverName: '',
    downstream: null,
    alpnProtocols,
    connectTimeoutMs: check.timeoutMs + CONNECT_GRACE_MS,
    traffic: null,
  });
}

/** Where a host is checked. */
function checkAddress(
  { address, port, healthCheck }: PlacedHost,
  { altPort }: HealthCheckConfig,
): SocketAddress {
  const ownPort = healthCheck?.port ?? 0;
  return {
    ip: healthCheck === null || healthCheck.address === '' ? address : healthCheck.address,
    port: ownPort === 0 ? (altPort ?? port) : ownPort,
  };
}

/** Envoy: the endpoint's, the checker's, the cluster's name. */
function authorityOf(host: PlacedHost, configured: string, { cluster }: ProbeContext): string {
  const own = host.healthCheck?.hostname ?? '';
  if (own !== '') return own;
  return configured === '' ? cluster.name : configured;
}

function schemeOf({ tls }: ProbeContext): 'http' | 'https' {
  return tls === null ? 'http' : 'https';
}

function headersOf(
  mutations: HeaderMutationsData,
  host: PlacedHost,
  protocol: 'HTTP/1.1' | 'HTTP/2',
  { cluster }: ProbeContext,
): CheckHeaders {
  return compileCheckHeaders(mutations, cluster.name, host, protocol);
}
