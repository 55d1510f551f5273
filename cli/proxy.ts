// `remora proxy`: the sidecar. Takes Envoy's flags; --join replaces the bootstrap file in our mesh.

import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type LogLevel, logLevels } from '../common/logger.ts';
import type { ProxyOptions } from '../dataplane/main.ts';

interface Flags {
  readonly configPath?: string;
  readonly configYaml?: string;
  readonly mode: 'serve' | 'validate';
  readonly concurrency?: number;
  readonly serviceNode?: string;
  readonly serviceCluster?: string;
  readonly serviceZone?: string;
  readonly adminAddressPath?: string;
  readonly logLevel: LogLevel;
  readonly drainTimeS: number;
  readonly drainStrategy: 'gradual' | 'immediate';
  readonly shutdownTimeS: number;
  readonly join?: string;
  readonly service?: string;
  readonly namespace: string;
  readonly serviceVersion?: string;
  readonly version?: string;
  readonly appPort?: number;
  readonly inboundPort?: number;
  readonly outboundPort?: number;
  readonly advertiseAddress?: string;
  readonly adminPort?: number;
  readonly tokenFile?: string;
  readonly stateDir: string | false;
  readonly label: Readonly<Record<string, string>>;
}

export function register(program: Command): void {
  program
    .command('proxy')
    .description('start a sidecar proxy from an Envoy v3 bootstrap, or join a Remora mesh')
    .option('-c, --config-path <file>', 'Envoy v3 bootstrap, .yaml or .json')
    .option('--config-yaml <yaml>', 'bootstrap as inline YAML, merged over --config-path')
    .addOption(
      new Option(
        '--mode <mode>',
        'validate: check the bootstrap, print OK or every error, exit 0 or 1',
      )
        .choices(['serve', 'validate'])
        .default('serve'),
    )
    .option(
      '--concurrency <n>',
      'worker threads (default: cores, at most 4; 1 on two cores)',
      parseCount,
    )
    .option('--service-node <id>', 'node id, over the one in the bootstrap')
    .option('--service-cluster <name>', 'node cluster, over the one in the bootstrap')
    .option('--service-zone <zone>', 'node locality zone, over the one in the bootstrap')
    .option('--admin-address-path <file>', 'write the admin address there once it listens')
    .option('--base-id <n>', 'accepted for Envoy’s sake and ignored')
    .addOption(
      new Option('-l, --log-level <level>', 'process log level')
        .choices([...logLevels])
        .default('info'),
    )
    .option('--drain-time-s <s>', 'how long replaced listeners drain', parseCount, 600)
    .addOption(
      new Option('--drain-strategy <strategy>', 'how draining ends connections')
        .choices(['gradual', 'immediate'])
        .default('gradual'),
    )
    .option('--shutdown-time-s <s>', 'how long SIGTERM may drain before exit', parseCount, 8)
    .option(
      '--join <host:port>',
      'join the mesh of this control plane instead of reading a bootstrap',
    )
    .option('--service <name>', 'with --join: the service this sidecar serves')
    .option('--namespace <name>', 'with --join: its namespace', 'default')
    .option('--service-version <version>', 'with --join: the version of the service instance')
    .option('--version <version>', 'the same')
    .option(
      '--app-port <port>',
      'with --join: where the application listens on 127.0.0.1',
      parsePort,
    )
    .option('--inbound-port <port>', 'with --join: where other sidecars reach this one', parsePort)
    .option(
      '--outbound-port <port>',
      'with --join: where the application sends its requests',
      parsePort,
    )
    .option('--advertise-address <ip>', 'with --join: the address others reach this sidecar at')
    .option('--admin-port <port>', 'with --join: admin interface on 127.0.0.1', parsePort)
    .option('--token-file <file>', 'with --join: the one-service token (remora ctl token)')
    .addOption(
      new Option(
        '--state-dir <dir>',
        'with --join: keep what was good last there, for a restart without a control plane',
      )
        .env('REMORA_SIDECAR_STATE_DIR')
        .default(join(homedir(), '.local/state/remora/sidecar'), '~/.local/state/remora/sidecar'),
    )
    .option('--no-state-dir', 'with --join: keep nothing')
    .option(
      '--label <key=value>',
      'with --join: of this instance, such as topology.kubernetes.io/zone=a (again for more)',
      parseLabel,
      {},
    )
    .addHelpText(
      'after',
      `
Examples:
  remora proxy -c bootstrap.yaml --mode validate
  remora proxy -c bootstrap.yaml --concurrency 2 -l debug
  remora proxy --join 127.0.0.1:18000 --service orders --version v2 --app-port 9002 --token-file orders.token`,
    )
    .action(async (flags: Flags, command: Command) => {
      const options = toOptions(flags, command);
      const { runProxy } = await import('../dataplane/main.ts');
      process.exitCode = await runProxy(options);
    });
}

function toOptions(flags: Flags, command: Command): ProxyOptions {
  const common = {
    mode: flags.mode,
    concurrency: flags.concurrency ?? null,
    serviceNode: flags.serviceNode ?? null,
    serviceCluster: flags.serviceCluster ?? null,
    serviceZone: flags.serviceZone ?? null,
    adminAddressPath: flags.adminAddressPath ?? null,
    logLevel: flags.logLevel,
    drainTimeMs: flags.drainTimeS * 1000,
    drainStrategy: flags.drainStrategy,
    shutdownTimeMs: flags.shutdownTimeS * 1000,
  };
  if (flags.join === undefined) {
    if (flags.configPath === undefined && flags.configYaml === undefined) {
      command.error(
        'error: give a bootstrap with -c FILE or --config-yaml YAML, or join a mesh with --join HOST:PORT',
      );
    }
    return {
      ...common,
      source: {
        kind: 'bootstrap',
        path: flags.configPath ?? null,
        yaml: flags.configYaml ?? null,
      },
    };
  }
  const missing = (['service', 'appPort', 'tokenFile'] as const).filter(
    (name) => flags[name] === undefined,
  );
  const { service, appPort, tokenFile } = flags;
  if (service === undefined || appPort === undefined || tokenFile === undefined) {
    const names = missing.map(
      (name) => `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`,
    );
    return command.error(`error: --join also needs ${names.join(', ')}`);
  }
  return {
    ...common,
    source: {
      kind: 'join',
      controlPlane: flags.join,
      service,
      namespace: flags.namespace,
      version: flags.version ?? flags.serviceVersion ?? '',
      appPort,
      inboundPort: flags.inboundPort ?? 0,
      outboundPort: flags.outboundPort ?? 0,
      advertiseAddress: flags.advertiseAddress ?? null,
      adminPort: flags.adminPort ?? 0,
      tokenFile,
      stateDirectory: flags.stateDir === false ? null : flags.stateDir,
      labels: flags.label,
    },
  };
}

function parseLabel(
  text: string,
  labels: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('expected KEY=VALUE');
  return { ...labels, [text.slice(0, at)]: text.slice(at + 1) };
}

function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('expected a whole number >= 0');
  return value;
}

function parsePort(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65535) {
    throw new InvalidArgumentError('expected a port, 0 to 65535');
  }
  return value;
}
