// `remora ctl proxy-config`: what the control plane serves one node, and how the node's own differs.

import { Argument, type Command } from 'commander';
import { type Paint, paintFor } from '../print/colour.ts';
import { printable } from '../print/table.ts';
import type { FieldChange, ResourceChange, RestClient } from '../rest-client.ts';
import {
  addServerOptions,
  clientOf,
  type Output,
  outputOption,
  type ServerFlags,
  structured,
} from './options.ts';
import { servedTable } from './proxy-config-tables.ts';
import { compareWithSidecar, readSidecarConfig } from './sidecar-config.ts';

const kinds = {
  clusters: 'cluster',
  listeners: 'listener',
  routes: 'route',
  endpoints: 'endpoint',
  secrets: 'secret',
} as const;
const choices = [...Object.keys(kinds), 'diff'];

interface Flags extends ServerFlags {
  readonly output: Output;
  readonly name?: string;
  readonly admin?: string;
}

export function register(parent: Command): void {
  addServerOptions(
    parent
      .command('proxy-config')
      .alias('pc')
      .description(
        'show what the control plane serves one sidecar, and what the sidecar lacks of it',
      )
      .argument('<node>', 'as proxy-status names it: <namespace>/<name>')
      .addArgument(new Argument('<what>', 'resources of a kind, or what differs').choices(choices))
      .option('--name <text>', 'only resources whose name contains this')
      .option('--admin <address>', 'diff: ask the sidecar’s admin (host:port) what it runs')
      .addOption(outputOption('table')),
  )
    .addHelpText(
      'after',
      `
STATE is SYNCED (the sidecar has acknowledged this version), STALE (it has an older one), NOT_SENT (it did not
ask for it) or ERROR (it refused it). Of secrets are shown name, validity, names and fingerprint, nothing else.

diff compares what the sidecar acknowledged last with what is current; with --admin what it really runs, by its
/config_dump, with what is current:
  +  it will get or should have it   ~  it has another one   -  it still has it   ?  it asks for it, there is none
Exit code of diff: 0 no difference, 1 some difference (or failed).

Examples:
  remora ctl proxy-config default/orders.1a2b3c clusters
  remora ctl proxy-config default/orders.1a2b3c routes --name outbound -o yaml
  remora ctl proxy-config default/orders.1a2b3c secrets
  remora ctl proxy-config default/orders.1a2b3c diff
  remora ctl proxy-config default/orders.1a2b3c diff --admin 127.0.0.1:15000`,
    )
    .action(async (node: string, what: string, flags: Flags) => {
      if (what === 'diff') await diff(node, flags);
      // The argument's choices are the keys.
      else await show(node, kinds[what as keyof typeof kinds], flags);
    });
}

async function show(node: string, kind: string, flags: Flags): Promise<void> {
  const config = await clientOf(flags).proxyConfig(node, kind);
  const items = config.items.filter(({ name }) => name.includes(flags.name ?? ''));
  if (flags.output !== 'table') {
    process.stdout.write(structured({ ...config, items }, flags.output));
    return;
  }
  if (items.length === 0) {
    process.stderr.write(
      `${node} is served no ${kind}${flags.name === undefined ? '' : ' of that name'}\n`,
    );
    return;
  }
  const paint = paintFor(process.stdout);
  process.stdout.write(
    servedTable(kind, items, (text, cell, column) => {
      if (column !== 'STATE') return text;
      return paint(text, cell === 'SYNCED' ? 'green' : cell === 'ERROR' ? 'red' : 'yellow');
    }),
  );
}

async function diff(node: string, flags: Flags): Promise<void> {
  const changes = (await changesOf(clientOf(flags), node, flags.admin)).filter(({ name }) =>
    name.includes(flags.name ?? ''),
  );
  if (flags.output !== 'table') process.stdout.write(structured({ node, changes }, flags.output));
  else if (changes.length === 0) process.stdout.write('no difference\n');
  else process.stdout.write(changesText(changes, paintFor(process.stdout)));
  if (changes.length > 0) process.exitCode = 1;
}

async function changesOf(
  client: RestClient,
  node: string,
  admin: string | undefined,
): Promise<readonly ResourceChange[]> {
  if (admin === undefined) return (await client.proxyConfigDiff(node)).items;
  const [{ items }, sidecar] = await Promise.all([
    client.proxyConfig(node, null),
    readSidecarConfig(admin),
  ]);
  return compareWithSidecar(items, sidecar);
}

const marks: Readonly<Record<string, string>> = {
  added: '+',
  changed: '~',
  removed: '-',
  asked: '?',
};

/** One line per resource, and one per field of those that changed. */
export function changesText(changes: readonly ResourceChange[], paint: Paint): string {
  let text = '';
  for (const { type, name, change, fields, more } of changes) {
    const line = printable(`${marks[change] ?? change} ${type} ${name}`);
    const colour = change === 'added' ? 'green' : change === 'removed' ? 'red' : 'yellow';
    text += `${paint(line, colour)}\n${fieldLines(fields, more, '    ')}`;
  }
  return text;
}

/** `path: before -> after`, one per line. */
export function fieldLines(fields: readonly FieldChange[], more: number, indent: string): string {
  const lines = fields.map(({ path, before, after }) =>
    printable(
      `${path === '' ? '(all)' : path}: ${before ?? '(not set)'} -> ${after ?? '(not set)'}`,
    ),
  );
  if (more > 0) lines.push(`and ${more} more`);
  return lines.map((line) => `${indent}${line}\n`).join('');
}
