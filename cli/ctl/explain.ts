// `remora ctl explain`: what the mesh will do, in words, and the xDS that makes it so.

import type { Command } from 'commander';
import type { PolicyExplanation } from '../rest-client.ts';
import {
  addServerOptions,
  clientOf,
  type Output,
  outputOption,
  type ServerFlags,
  structured,
} from './options.ts';

interface Flags extends ServerFlags {
  readonly namespace: string;
  readonly output: Output;
  readonly xds: boolean;
}

export function register(parent: Command): void {
  const explain = parent
    .command('explain')
    .description('say in plain words what the mesh will do, and the xDS it becomes');
  addServerOptions(
    explain
      .command('policy')
      .description('what happens to a call of a service that fails')
      .argument('<service>')
      .option('-n, --namespace <name>', 'of the service', 'default')
      .option('--no-xds', 'the words only')
      .addOption(outputOption('table')),
  )
    .addHelpText(
      'after',
      `
Behind each sentence stands the document that it comes from; what has none is the default.

Examples:
  remora ctl explain policy orders
  remora ctl explain policy orders --no-xds
  remora ctl explain policy orders -o json`,
    )
    .action(async (service: string, flags: Flags) => {
      const { xds, ...words } = await clientOf(flags).explainPolicy(service, flags.namespace);
      const shown = flags.xds ? { ...words, xds } : words;
      if (flags.output !== 'table') {
        process.stdout.write(structured(shown, flags.output));
        return;
      }
      process.stdout.write(explanationText(words));
      if (flags.xds) process.stdout.write(`\nThe xDS of it\n${indented(structured(xds, 'yaml'))}`);
    });
}

/** Sentences below their titles; where one comes from stands behind it, unless it is the default. */
export function explanationText({ about, sections }: Omit<PolicyExplanation, 'xds'>): string {
  let text = `${about}\n`;
  for (const { title, sentences } of sections) {
    text += `\n${title}\n`;
    for (const { text: sentence, source } of sentences) {
      text += `  - ${sentence}${source === 'default' ? '' : ` [${source}]`}\n`;
    }
  }
  return text;
}

function indented(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
