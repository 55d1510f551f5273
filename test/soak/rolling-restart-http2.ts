// Restarts everything in a mesh of HTTP/2 in turn under traffic and counts what is lost (reliability F-15):
//
//   node:http2 and grpc-js -> two sidecars -HTTP/2 over mTLS-> two sidecars -HTTP/2-> two applications
//
//   node test/soak/rolling-restart-http2.ts --rps 200 --seconds 300 --every 5
//   node test/soak/rolling-restart-http2.ts --seconds 20 --every 2 --control    no drain: must lose
//
// test/integration/drain-http2-restarts.test.ts runs a short form.

import { parseArgs } from 'node:util';
import { TestCa, type TestCertificate } from '../fakes/pki.ts';
import { Http2Application } from './http2-application.ts';
import { type Http2ClientReport, Http2SoakClient } from './http2-client.ts';
import { proxyBootstrap, SidecarProcess } from './sidecar-process.ts';

export interface Http2RestartOptions {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  /** From the end of one restart to the beginning of the next. */
  readonly everyMs: number;
  /** Of each kind; see Http2ClientOptions. */
  readonly streams: number;
  readonly streamMs: number;
  readonly shutdownTimeS: number;
  /** The control run: SIGKILL, connections destroyed. */
  readonly abrupt: boolean;
}

export interface Http2RestartReport extends Http2ClientReport {
  /** Ids that reached an application more than once. */
  duplicated: number;
  sidecarRestarts: number;
  applicationRestarts: number;
  /** Of a sidecar: from the signal to the end of the process, ms. */
  slowestExitMs: number;
  /** Sidecar restarts whose exit code was not 0. */
  badExits: number;
}

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
/** How long an instance of the application is away. */
const AWAY_MS = 300;

/** Safe ones only: what may have been seen is not sent again. */
const route = {
  retry_policy: {
    retry_on: 'connect-failure,refused-stream',
    num_retries: 5,
    retry_host_predicate: [
      {
        name: 'envoy.retry_host_predicates.previous_hosts',
        typed_config: {
          '@type':
            'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
        },
      },
    ],
    host_selection_retry_max_attempts: 3,
    retry_back_off: { base_interval: '0.02s', max_interval: '0.1s' },
  },
};

const cluster = (ports: readonly number[], more: object = {}) => ({
  // By default three calls at a time may be sent again, fewer than find an instance gone.
  circuit_breakers: { thresholds: [{ max_retries: 1024 }] },
  typed_extension_protocol_options: {
    [HTTP_OPTIONS]: {
      '@type': `type.googleapis.com/${HTTP_OPTIONS}`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
  load_assignment: {
    cluster_name: 'backend',
    endpoints: [
      {
        lb_endpoints: ports.map((port) => ({
          endpoint: {
            address: { socket_address: { address: '127.0.0.1', port_value: port } },
          },
        })),
      },
    ],
  },
  ...more,
});

function tlsContext(kind: string, ca: TestCa, leaf: TestCertificate, more: object) {
  const common_tls_context = {
    tls_certificates: [
      {
        certificate_chain: { inline_string: leaf.certificatePem },
        private_key: { inline_string: leaf.privateKeyPem },
      },
    ],
    validation_context: { trusted_ca: { inline_string: ca.certificatePem } },
    alpn_protocols: ['h2'],
  };
  return {
    transport_socket: {
      name: 'tls',
      typed_config: { '@type': `${TLS}.${kind}`, common_tls_context, ...more },
    },
  };
}

/** See the file head. */
export async function rollingRestartHttp2(
  options: Http2RestartOptions,
): Promise<Http2RestartReport> {
  const { ratePerSecond, durationMs, everyMs, streams, streamMs, shutdownTimeS, abrupt } = options;
  const ca = await TestCa.create();
  const leaf = await ca.issue({ dns: ['localhost'] });
  const arrivals = new Map<number, number>();
  const delayMs = (id: number) => (id % 100 === 0 ? 500 : id % 20);
  const applications = [0, 1].map(() => new Http2Application(arrivals, delayMs));
  const flags = ['--shutdown-time-s', String(shutdownTimeS), '--log-level', 'warning'];
  // A connection gets its first GOAWAY with the signal and its second this much later.
  const hcm = { drain_timeout: '1s' };
  const applicationPorts = () => applications.map(({ port }) => port);
  const serverTls = tlsContext('DownstreamTlsContext', ca, leaf, {
    require_client_certificate: true,
  });
  const inner = [0, 1].map(
    () =>
      new SidecarProcess({
        bootstrap: (port) =>
          proxyBootstrap(port, 0, {
            ...{ hcm, route, chain: serverTls },
            cluster: cluster(applicationPorts()),
          }),
        flags,
      }),
  );
  const clientTls = tlsContext('UpstreamTlsContext', ca, leaf, { sni: 'localhost' });
  const innerPorts = () => inner.map(({ port }) => port);
  const outer = [0, 1].map(
    () =>
      new SidecarProcess({
        bootstrap: (port) =>
          proxyBootstrap(port, 0, { hcm, route, cluster: cluster(innerPorts(), clientTls) }),
        flags,
      }),
  );
  try {
    await Promise.all(applications.map((application) => application.start()));
    await Promise.all(inner.map((sidecar) => sidecar.start()));
    await Promise.all(outer.map((sidecar) => sidecar.start()));
    const client = new Http2SoakClient({
      ...{ ratePerSecond, durationMs, streams, streamMs },
      ports: outer.map(({ port }) => port),
    });
    const traffic = client.run();
    const endMs = performance.now() + durationMs;
    let sidecarRestarts = 0;
    let applicationRestarts = 0;
    let slowestExitMs = 0;
    let badExits = 0;
    const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    const pause = () => sleep(Math.max(0, Math.min(everyMs, endMs - performance.now())));
    const restartSidecar = async (sidecar: SidecarProcess) => {
      const { code, ms } = await sidecar.stop(abrupt ? 'SIGKILL' : 'SIGTERM');
      sidecarRestarts++;
      slowestExitMs = Math.max(slowestExitMs, Math.round(ms));
      if (code !== 0) badExits++;
      await sidecar.start();
    };
    const restartApplication = async (application: Http2Application) => {
      await application.stop(abrupt);
      applicationRestarts++;
      await sleep(AWAY_MS);
      await application.start();
    };
    const steps = [0, 1].flatMap((i) => [
      () => restartSidecar(outer[i]!),
      () => restartApplication(applications[i]!),
      () => restartSidecar(inner[i]!),
    ]);
    for (let i = 0; ; i++) {
      await pause();
      if (performance.now() >= endMs) break;
      await steps[i % steps.length]!();
    }
    const report = await traffic;
    const duplicated = [...arrivals.values()].filter((count) => count > 1).length;
    return {
      ...report,
      ...{ duplicated, sidecarRestarts, applicationRestarts, slowestExitMs, badExits },
    };
  } finally {
    for (const sidecar of [...outer, ...inner]) await sidecar[Symbol.asyncDispose]();
    for (const application of applications) await application.stop(true);
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rps: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '300' },
      every: { type: 'string', default: '5' },
      streams: { type: 'string', default: '10' },
      'stream-ms': { type: 'string', default: '3000' },
      'shutdown-time-s': { type: 'string', default: '8' },
      control: { type: 'boolean', default: false },
    },
  });
  const report = await rollingRestartHttp2({
    ratePerSecond: Number(values.rps),
    durationMs: Number(values.seconds) * 1000,
    everyMs: Number(values.every) * 1000,
    streams: Number(values.streams),
    streamMs: Number(values['stream-ms']),
    shutdownTimeS: Number(values['shutdown-time-s']),
    abrupt: values.control,
  });
  console.log(JSON.stringify(report, null, 2));
  const { lost, crossed, truncated, duplicated } = report;
  process.exitCode = lost + crossed + truncated + duplicated === 0 ? 0 : 1;
}
