// `remora ctl config-dump`: what the control plane sends to one node, keys redacted.

import type { Command } from 'commander';
import { CodedError } from '../../common/coded-error.ts';
import { formatTable } from '../print/table.ts';
import {
  addServerOptions,
  clientOf,
  type Output,
  outputOption,
  type ServerFlags,
  structured,
} from './options.ts';

const kinds = ['cluster', 'endpoint', 'listener', 'route', 'secret'] as const;

interface Flags extends ServerFlags {
  readonly output: Output;
  readonly type?: string;
}

export function register(parent: Command): void {
  addServerOptions(
    parent
      .command('config-dump')
      .description('show the xDS resources of one sidecar')
      .argument('<node>', 'as proxy-status names it: <namespace>/<name>')
      .option('-t, --type <kind>', `only one of ${kinds.join(', ')}`)
      .addOption(outputOption('json')),
  )
    .addHelpText(
      'after',
      `
Examples:
  remora ctl config-dump default/orders.1a2b3c -o yaml
  remora ctl config-dump default/orders.1a2b3c -t route -o yaml
  remora ctl config-dump default/orders.1a2b3c -o table`,
    )
    .action(async (node: string, flags: Flags) => {
      const dump = await clientOf(flags).configDump(node);
      const type = flags.type;
      if (type !== undefined && !kinds.some((kind) => kind === type)) {
        throw new CodedError('unknown-type', `no type "${type}"; there are ${kinds.join(', ')}`);
      }
      const shown = type === undefined ? dump : { [type]: dump[type] };
      process.stdout.write(
        flags.output === 'table' ? resourceTable(shown) : structured(shown, flags.output),
      );
    });
}

/** Kind and name of each resource. */
export function resourceTable(dump: Readonly<Record<string, unknown>>): string {
  const rows = kinds.flatMap((kind) => {
    const resources = dump[kind];
    return Array.isArray(resources) ? resources.map((resource) => [kind, nameOf(resource)]) : [];
  });
  return formatTable(['TYPE', 'NAME'], rows);
}

function nameOf(resource: unknown): string {
  if (typeof resource !== 'object' || resource === null) return '?';
  if ('name' in resource) return String(resource.name);
  return 'cluster_name' in resource ? String(resource.cluster_name) : '?';
}
