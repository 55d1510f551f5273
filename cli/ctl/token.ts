// `remora ctl token`: the secret with which sidecars of one service join. Prints the token alone, so that
// `> orders.token` makes the file that `remora proxy --token-file` reads.

import { type Command, InvalidArgumentError } from 'commander';
import { addServerOptions, clientOf, type ServerFlags } from './options.ts';

interface Flags extends ServerFlags {
  readonly service: string;
  readonly namespace: string;
  readonly ttl: number;
  readonly stateDir?: string;
}

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const DEFAULT_TTL = '24h';

export function register(parent: Command): void {
  addServerOptions(
    parent
      .command('token')
      .description('issue a token with which sidecars of one service join the mesh')
      .requiredOption('--service <name>', 'the service that its holder will be')
      .option('-n, --namespace <name>', 'namespace of the service', 'default')
      .option(
        '--ttl <duration>',
        'how long it is good, such as 30m, 24h, 90d',
        parseTtl,
        parseTtl(DEFAULT_TTL),
      )
      .option(
        '--state-dir <dir>',
        'make it offline with the keys of this control plane state directory',
      ),
  )
    .addHelpText(
      'after',
      `
The token also carries the fingerprint of the mesh's CA, by which a sidecar knows its control plane. A
running sidecar needs it again after each reconnect, so let it live as long as the sidecar.

Examples:
  remora ctl token --service orders > orders.token
  remora ctl token --service orders --ttl 90d --state-dir /var/lib/remora > orders.token`,
    )
    .action(async (flags: Flags) => {
      process.stdout.write(`${await issue(flags)}\n`);
    });
}

async function issue(flags: Flags): Promise<string> {
  const { service, namespace, ttl, stateDir } = flags;
  if (stateDir === undefined) return clientOf(flags).createToken(service, namespace, ttl);
  const { issueTokenOffline } = await import('../../controlplane/main.ts');
  return issueTokenOffline({ stateDir, service, namespace, ttlSeconds: ttl });
}

export function parseTtl(text: string): number {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(amount) * (SECONDS[unit ?? ''] ?? 0);
  if (!(seconds > 0)) throw new InvalidArgumentError('expected a duration such as 30m, 24h or 90d');
  return seconds;
}
