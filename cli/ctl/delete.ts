// `remora ctl delete`: objects out of the mesh, by name or by the documents that made them.

import type { Command } from 'commander';
import { parseAllDocuments } from 'yaml';
import type { RestClient } from '../rest-client.ts';
import { readSources } from './files.ts';
import { addServerOptions, clientOf, type ServerFlags } from './options.ts';

interface Flags extends ServerFlags {
  readonly namespace: string;
  readonly filename?: readonly string[];
}

interface Target {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export function register(parent: Command): void {
  addServerOptions(
    parent
      .command('delete')
      .description('delete objects that were applied')
      .argument('[kind]', 'for example httproute')
      .argument('[name]')
      .option('-n, --namespace <name>', 'namespace of the object', 'default')
      .option('-f, --filename <path...>', 'delete what these files define instead'),
  )
    .addHelpText(
      'after',
      `
An object that a file of the control plane defines is deleted in that file. Deleting what was applied over
a file's document brings the file's back.

Examples:
  remora ctl delete httproute orders
  remora ctl delete -f canary.yaml`,
    )
    .action(
      async (
        kind: string | undefined,
        name: string | undefined,
        flags: Flags,
        command: Command,
      ) => {
        const targets = flags.filename === undefined ? [] : targetsOf(flags.filename);
        if (flags.filename === undefined) {
          if (kind === undefined || name === undefined) {
            command.error('error: say what: remora ctl delete KIND NAME, or -f FILE');
          }
          targets.push({ kind, name, namespace: flags.namespace });
        }
        await deleteAll(clientOf(flags), targets);
      },
    );
}

async function deleteAll(client: RestClient, targets: readonly Target[]): Promise<void> {
  for (const { kind, namespace, name } of targets) {
    const { key, change } = await client.delete(kind, namespace, name);
    const text = change === 'restored' ? 'deleted; the file’s document is in force again' : change;
    process.stdout.write(`${key} ${text}\n`);
  }
}

/** Last document first: what depends on others usually stands below them. */
function targetsOf(paths: readonly string[]): Target[] {
  const targets: Target[] = [];
  for (const { name: file, text } of readSources(paths)) {
    for (const document of parseAllDocuments(text)) {
      const error = document.errors[0];
      if (error !== undefined) throw new Error(`${file}: ${error.message}`);
      const kind: unknown = document.get('kind');
      const name: unknown = document.getIn(['metadata', 'name']);
      const namespace: unknown = document.getIn(['metadata', 'namespace']) ?? 'default';
      if (typeof kind !== 'string' || typeof name !== 'string' || typeof namespace !== 'string') {
        if (document.contents === null) continue;
        throw new Error(`${file}: a document without kind or metadata.name`);
      }
      targets.push({ kind, name, namespace });
    }
  }
  return targets.reverse();
}
