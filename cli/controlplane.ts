// `remora controlplane`: starts the control plane and stops it on a signal.

import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type LogLevel, logLevels } from '../common/logger.ts';

interface Flags {
  readonly config: string;
  readonly stateDir?: string;
  readonly xdsAddress: string;
  readonly xdsPort: number;
  readonly plaintextXdsPort?: number;
  readonly restXdsPort?: number;
  readonly xdsMaxStreams: number;
  readonly xdsStreamsPerSecond: number;
  readonly xdsPushesPerSecond: number;
  readonly xdsMaxStreamAgeS: number;
  readonly holdoffMs: number;
  readonly maxDelayMs: number;
  readonly vanishGuard: boolean;
  readonly restAddress: string;
  readonly restPort: number;
  readonly apiTokenFile?: string;
  readonly graceTimeS: number;
  readonly loadReportIntervalS: number;
  readonly logLevel: LogLevel;
}

export function register(program: Command): void {
  program
    .command('controlplane')
    .description('run the control plane: mesh documents in, xDS out')
    .requiredOption(
      '--config <path>',
      'directory (or one file) of mesh documents; watched for changes',
    )
    .addOption(
      new Option('--state-dir <dir>', 'keep the CA, the token key and registrations there').env(
        'REMORA_STATE_DIR',
      ),
    )
    .option('--xds-address <ip>', 'where sidecars connect (TLS)', '127.0.0.1')
    .option('--xds-port <port>', 'its port; 0 = any', parsePort, 18000)
    .option(
      '--plaintext-xds-port <port>',
      'also serve xDS without TLS or tokens on 127.0.0.1, for clients that have neither',
      parsePort,
    )
    .option(
      '--rest-xds-port <port>',
      'also serve xDS by REST polling on 127.0.0.1, without TLS or tokens',
      parsePort,
    )
    .option('--xds-max-streams <n>', 'streams at once per port; 0 = no limit', parseCount, 20_000)
    .option(
      '--xds-streams-per-second <n>',
      'new streams per second, others wait; 0 = no limit',
      parseCount,
      0,
    )
    .option(
      '--xds-pushes-per-second <n>',
      'streams brought to a change per second; 0 = no limit',
      parseCount,
      0,
    )
    .option(
      '--xds-max-stream-age-s <s>',
      'streams end at this age, so that replicas stay evenly loaded; 0 = never',
      parseCount,
      1800,
    )
    .option('--holdoff-ms <ms>', 'how long to wait for more changes of documents', parseCount, 50)
    .option('--max-delay-ms <ms>', 'how long at most, if they keep coming', parseCount, 1000)
    .option(
      '--no-vanish-guard',
      'push even what takes most clusters or listeners away from a sidecar',
    )
    .option(
      '--rest-address <ip>',
      'where ctl connects; off loopback --api-token-file is needed',
      '127.0.0.1',
    )
    .option('--rest-port <port>', 'its port; 0 = any', parsePort, 18080)
    .addOption(
      new Option('--api-token-file <file>', 'file with the token that REST calls must carry').env(
        'REMORA_API_TOKEN_FILE',
      ),
    )
    .option(
      '--grace-time-s <s>',
      'how long an endpoint outlives its sidecar’s last sign',
      parseSeconds,
      30,
    )
    .option(
      '--load-report-interval-s <s>',
      'how often sidecars are asked to report the load that they send',
      parseSeconds,
      10,
    )
    .addOption(
      new Option('-l, --log-level <level>', 'process log level')
        .choices([...logLevels])
        .default('info'),
    )
    .addHelpText(
      'after',
      `
Without --state-dir the CA lives in memory: after a restart every sidecar needs a new token.

Examples:
  remora controlplane --config mesh/
  remora controlplane --config mesh/ --state-dir /var/lib/remora --xds-address 0.0.0.0
  remora controlplane --config mesh.yaml --plaintext-xds-port 18001`,
    )
    .action(async (flags: Flags) => {
      process.exitCode = await run(flags);
    });
}

async function run(flags: Flags): Promise<number> {
  const { runControlPlane } = await import('../controlplane/main.ts');
  const controlPlane = await runControlPlane({
    config: flags.config,
    stateDir: flags.stateDir ?? null,
    xds: { address: flags.xdsAddress, port: flags.xdsPort },
    plaintextXdsPort: flags.plaintextXdsPort ?? null,
    restXdsPort: flags.restXdsPort ?? null,
    xdsLimits: {
      maxStreams: flags.xdsMaxStreams,
      streamsPerSecond: flags.xdsStreamsPerSecond,
      pushesPerSecond: flags.xdsPushesPerSecond,
      maxStreamAgeMs: flags.xdsMaxStreamAgeS * 1000,
    },
    debounce: { holdoffMs: flags.holdoffMs, maxDelayMs: flags.maxDelayMs },
    guardsVanishing: flags.vanishGuard,
    rest: { address: flags.restAddress, port: flags.restPort },
    apiToken:
      flags.apiTokenFile === undefined ? null : readFileSync(flags.apiTokenFile, 'utf8').trim(),
    graceMs: flags.graceTimeS * 1000,
    loadReportIntervalMs: flags.loadReportIntervalS * 1000,
    logLevel: flags.logLevel,
  });
  await new Promise<void>((stop) => {
    process.once('SIGTERM', () => stop());
    process.once('SIGINT', () => stop());
  });
  await controlPlane.close();
  return 0;
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65535)
    throw new InvalidArgumentError('expected a port, 0 to 65535');
  return port;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(count))
    throw new InvalidArgumentError('expected a whole number, 0 or more');
  return count;
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (!Number.isInteger(seconds) || seconds < 1)
    throw new InvalidArgumentError('expected whole seconds >= 1');
  return seconds;
}
