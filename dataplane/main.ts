// The sidecar process: options in, exit code out. Reads the bootstrap (or joins a mesh), starts the server,
// turns signals into drain and exit. The only place of the data plane that touches process.

import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { systemClock, systemRandom } from '../common/clock.ts';
import { errorText } from '../common/coded-error.ts';
import { createLogger, type LogLevel } from '../common/logger.ts';
import { err, ok, type Result } from '../common/result.ts';
import { SharedMemory } from '../common/shared-memory.ts';
import { TimerWheel } from '../common/timer.ts';
import type { BootstrapConfig } from './api/config/bootstrap.ts';
import { formatAddress } from './api/connection.ts';
import type { DrainStrategy } from './api/drain.ts';
import { loadBootstrap } from './config/load-bootstrap.ts';
import { FactoryRegistry } from './config/registry.ts';
import type { ConfigInputs } from './config/resource-compiler.ts';
import type { JoinClient, JoinedMesh } from './join/join-client.ts';
import { Runtime } from './runtime/runtime.ts';
import { containFaults } from './server/contain-faults.ts';
import { builtInExtensions } from './server/extensions.ts';
import { Server } from './server/server.ts';

export interface ProxyOptions {
  readonly source:
    | { readonly kind: 'bootstrap'; readonly path: string | null; readonly yaml: string | null }
    | JoinSource;
  readonly mode: 'serve' | 'validate';
  /** Null = by the machine, see `defaultConcurrency`. */
  readonly concurrency: number | null;
  readonly serviceNode: string | null;
  readonly serviceCluster: string | null;
  readonly serviceZone: string | null;
  readonly adminAddressPath: string | null;
  readonly logLevel: LogLevel;
  /** Of replaced and removed listeners. */
  readonly drainTimeMs: number;
  readonly drainStrategy: DrainStrategy;
  /** From SIGTERM to the end, at most. */
  readonly shutdownTimeMs: number;
}

/** `--join` instead of a bootstrap file. Port 0 = the default. */
export interface JoinSource {
  readonly kind: 'join';
  readonly controlPlane: string;
  readonly service: string;
  readonly namespace: string;
  readonly version: string;
  readonly appPort: number;
  readonly inboundPort: number;
  readonly outboundPort: number;
  readonly advertiseAddress: string | null;
  readonly adminPort: number;
  readonly tokenFile: string;
  /** Where what was good last is kept; null = nowhere. */
  readonly stateDirectory: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

const MAX_DEFAULT_CONCURRENCY = 4;

/** One worker on two cores or fewer: the application needs the other. Else one per core, up to four. */
function defaultConcurrency(): number {
  const cores = availableParallelism();
  return cores <= 2 ? 1 : Math.min(cores, MAX_DEFAULT_CONCURRENCY);
}

const inputs: ConfigInputs & { readonly runtime: Runtime } = {
  registry: new FactoryRegistry(builtInExtensions),
  readFile: (path): Result<Buffer, string> => {
    try {
      return ok(readFileSync(path));
    } catch (thrown) {
      return err(errorText(thrown));
    }
  },
  environment: (name) => process.env[name],
  sharedMemory: new SharedMemory(),
  runtime: new Runtime(),
};

/** Runs a sidecar until it is told to end; the exit code. */
export async function runProxy(options: ProxyOptions): Promise<number> {
  if (options.source.kind === 'join') return runJoined(options, options.source);
  const { path, yaml } = options.source;
  const bootstrap = loadBootstrap({
    ...inputs,
    ...(path === null ? {} : { path }),
    ...(yaml === null ? {} : { yaml }),
    overrides: {
      serviceNode: options.serviceNode ?? '',
      serviceCluster: options.serviceCluster ?? '',
      serviceZone: options.serviceZone ?? '',
    },
  });
  if (!bootstrap.ok) {
    process.stderr.write(`${bootstrap.errors.join('\n')}\n`);
    return 1;
  }
  if (options.mode === 'validate') {
    process.stdout.write(`configuration '${path ?? '--config-yaml'}' OK\n`);
    return 0;
  }
  return serve(options, bootstrap.value, null);
}

async function runJoined(options: ProxyOptions, source: JoinSource): Promise<number> {
  // gRPC and its friends are loaded by those who need them: 10 MiB that a static sidecar saves.
  const { joinBootstrap } = await import('./join/bootstrap.ts');
  const { DEFAULT_INBOUND_PORT, DEFAULT_OUTBOUND_PORT, JoinClient, splitTarget } = await import(
    './join/join-client.ts'
  );
  if (options.mode === 'validate') {
    process.stderr.write('remora: --mode validate needs a bootstrap (-c); --join has none\n');
    return 1;
  }
  const { membershipFiles } = await import('./join/membership-file.ts');
  const logger = createLogger(options.logLevel, 'join');
  const client = new JoinClient({
    controlPlane: source.controlPlane,
    service: source.service,
    namespace: source.namespace,
    version: source.version,
    appPort: source.appPort,
    inboundPort: source.inboundPort || DEFAULT_INBOUND_PORT,
    outboundPort: source.outboundPort || DEFAULT_OUTBOUND_PORT,
    advertiseAddress: source.advertiseAddress,
    labels: source.labels,
    readToken: () => readFileSync(source.tokenFile, 'utf8').trim(),
    memberships:
      source.stateDirectory === null ? null : membershipFiles(source.stateDirectory, logger),
    clock: systemClock,
    random: systemRandom,
    timers: new TimerWheel(),
    logger,
  });
  // A signal while it waits for the control plane must end it.
  const giveUp = () => void client.leave();
  process.once('SIGTERM', giveUp);
  process.once('SIGINT', giveUp);
  let mesh: JoinedMesh;
  try {
    mesh = await client.join();
  } catch (thrown) {
    process.stderr.write(`remora: ${errorText(thrown)}\n`);
    return 1;
  } finally {
    process.off('SIGTERM', giveUp);
    process.off('SIGINT', giveUp);
  }
  const { host, port } = splitTarget(source.controlPlane);
  const bootstrap = loadBootstrap({
    ...inputs,
    yaml: JSON.stringify(
      joinBootstrap({
        nodeId: mesh.nodeId,
        service: source.service,
        namespace: source.namespace,
        version: source.version,
        labels: source.labels,
        host,
        port,
        adminPort: source.adminPort,
        stateDirectory: source.stateDirectory,
      }),
    ),
  });
  if (!bootstrap.ok) {
    process.stderr.write(`${bootstrap.errors.join('\n')}\n`);
    return 1;
  }
  return serve(options, bootstrap.value, { client, mesh });
}

async function serve(
  options: ProxyOptions,
  bootstrap: BootstrapConfig,
  membership: { readonly client: JoinClient; readonly mesh: JoinedMesh } | null,
): Promise<number> {
  const server = new Server({
    bootstrap,
    inputs,
    concurrency: options.concurrency || defaultConcurrency(),
    logLevel: options.logLevel,
    drainTimeMs: options.drainTimeMs,
    drainStrategy: options.drainStrategy,
    shutdownTimeMs: options.shutdownTimeMs,
    commandLine: {
      concurrency: options.concurrency ?? 0,
      config_path: options.source.kind === 'bootstrap' ? (options.source.path ?? '') : '',
      config_yaml: options.source.kind === 'bootstrap' ? (options.source.yaml ?? '') : '',
      admin_address_path: options.adminAddressPath ?? '',
      log_level: options.logLevel,
      service_cluster: options.serviceCluster ?? '',
      service_node: options.serviceNode ?? '',
      service_zone: options.serviceZone ?? '',
      drain_time: `${options.drainTimeMs / 1000}s`,
      drain_strategy: options.drainStrategy === 'gradual' ? 'Gradual' : 'Immediate',
      mode: 'Serve',
    },
    membership,
    onAdminListening: (address) => {
      if (options.adminAddressPath !== null) {
        writeFileSync(options.adminAddressPath, formatAddress(address));
      }
    },
  });
  let signals = 0;
  const onSignal = () => {
    signals++;
    if (signals === 1) server.shutdown();
    else server.stopNow();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  process.on('SIGUSR1', () => server.reopenLogs());
  containFaults((thrown) => {
    // Once it serves it goes on: health checks read here, in main, what upstreams send.
    if (server.state() !== 'PRE_INITIALIZING') server.reportBug(thrown);
    else {
      process.stderr.write(`remora: ${errorText(thrown)}\n`);
      process.exit(1);
    }
  });
  try {
    return await server.run();
  } catch (thrown) {
    process.stderr.write(`remora: ${errorText(thrown)}\n`);
    return 1;
  }
}
