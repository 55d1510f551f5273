// `remora ctl proxy-status`: which sidecars are connected, and whether they took what they were sent.

import type { Command } from 'commander';
import { formatAge, formatTable } from '../print/table.ts';
import type { ProxyStatus } from '../rest-client.ts';
import {
  addServerOptions,
  clientOf,
  type Output,
  outputOption,
  type ServerFlags,
  structured,
} from './options.ts';

interface Flags extends ServerFlags {
  readonly output: Output;
}

export function register(parent: Command): void {
  addServerOptions(
    parent
      .command('proxy-status')
      .alias('ps')
      .description('show every sidecar: connected since when, and the state of each xDS type')
      .addOption(outputOption('table')),
  )
    .addHelpText(
      'after',
      `
SYNCED    the sidecar has acknowledged everything
STALE     something was sent that it has not answered yet
NOT SENT  nothing of this type was sent
NACKED  it refused the last update (NACK) and runs the one before; the reason is printed below

Exit code 1 when any sidecar rejects its configuration.

Examples:
  remora ctl proxy-status
  remora ctl proxy-status -o json`,
    )
    .action(async (flags: Flags) => {
      const { items, ...rest } = await clientOf(flags).proxyStatus();
      if (flags.output !== 'table') {
        process.stdout.write(structured({ ...rest, items }, flags.output));
      } else if (items.length === 0) {
        process.stderr.write('no sidecar has joined; see: remora ctl token --help\n');
      } else {
        process.stdout.write(proxyStatusTable(items));
      }
      if (rejections(items).length > 0) process.exitCode = 1;
    });
}

const types = ['CDS', 'EDS', 'SDS', 'LDS', 'RDS'] as const;

export function proxyStatusTable(items: readonly ProxyStatus[]): string {
  const table = formatTable(
    ['NODE', 'SERVICE', 'VERSION', 'ADDRESS', 'XDS', ...types],
    items.map((item) => [
      item.node,
      item.service,
      item.version ?? '-',
      item.address,
      item.stream === null
        ? 'not connected'
        : `${item.stream.protocol} ${formatAge(item.stream.connectedSeconds)}`,
      ...types.map((type) => item.types[type]?.state ?? '-'),
    ]),
  );
  return (
    table +
    rejections(items)
      .map((line) => `${line}\n`)
      .join('')
  );
}

function rejections(items: readonly ProxyStatus[]): string[] {
  return items.flatMap((item) =>
    Object.entries(item.types)
      .filter(([, status]) => status.state === 'NACKED')
      .map(
        ([type, status]) => `${item.node} rejects ${type}: ${status.error ?? 'no reason given'}`,
      ),
  );
}
