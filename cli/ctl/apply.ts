// `remora ctl apply`: documents into the mesh, all or none.

import type { Command } from 'commander';
import { readSources } from './files.ts';
import { addServerOptions, clientOf, type ServerFlags } from './options.ts';

interface Flags extends ServerFlags {
  readonly filename: readonly string[];
}

export function register(parent: Command): void {
  addServerOptions(
    parent
      .command('apply')
      .description('create or change objects from YAML or JSON, all of them or none')
      .requiredOption('-f, --filename <path...>', 'files, directories, or - for stdin'),
  )
    .addHelpText(
      'after',
      `
What is applied here lies over the control plane's files. It is kept across restarts only with --state-dir;
a later change of the file's document wins.

Examples:
  remora ctl apply -f canary.yaml
  remora ctl apply -f mesh/
  remora ctl get httproute orders -o yaml | sed s/90/50/ | remora ctl apply -f -`,
    )
    .action(async (flags: Flags) => {
      const results = await clientOf(flags).applyFiles(readSources(flags.filename));
      for (const { key, change } of results) process.stdout.write(`${key} ${change}\n`);
    });
}
