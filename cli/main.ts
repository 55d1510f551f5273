// The command line: one program, one file per verb. Parses and prints; the planes do the work.

import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { errorText } from '../common/coded-error.ts';

/** Exit codes: 0 done, 1 failed, 2 the command line was wrong. */
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

function version(): string {
  // package.json lies one level above this file as source and two as dist/cli/main.js.
  for (const up of ['../package.json', '../../package.json']) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'));
      if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
        return String(manifest.version);
      }
    } catch {
      // not at this level: try the next
    }
  }
  return 'unknown';
}

interface Verb {
  register(program: Command): void;
}

/** Each in a module of its own, loaded only when it is called: a sidecar need not carry ctl's libraries. */
const verbs: Readonly<Record<string, () => Promise<Verb>>> = {
  proxy: () => import('./proxy.ts'),
  controlplane: () => import('./controlplane.ts'),
  up: () => import('./up/index.ts'),
  ctl: () => import('./ctl/index.ts'),
  completion: () => import('./completion.ts'),
};

/** `verb`: the only one to load; anything else loads all of them (help, completion, a typing error). */
async function createProgram(verb: string): Promise<Command> {
  const program = new Command('remora')
    .description('The service mesh that fits in a compose file: sidecar proxy and control plane.')
    .version(version(), '--version', 'print the version')
    // Ours stand before the verb; `proxy --version v2` is the verb's own.
    .enablePositionalOptions()
    .showHelpAfterError('(add --help for the options and examples)')
    .addHelpText(
      'after',
      `
Examples:
  remora up examples/shop              start a whole mesh and watch it
  remora proxy -c bootstrap.yaml       start a sidecar from an Envoy bootstrap file
  remora controlplane --config mesh/   start a control plane
  remora ctl proxy-status              who runs which configuration`,
    );
  // completion prints the whole tree, so it needs all verbs too.
  const only = verb === 'completion' || !Object.hasOwn(verbs, verb) ? null : verbs[verb];
  const wanted = only == null ? Object.values(verbs) : [only];
  for (const load of wanted) (await load()).register(program);
  return program;
}

async function run(): Promise<void> {
  const program = await createProgram(process.argv[2] ?? '');
  // Commander would exit with 1 for usage errors; ours are 2 so that scripts can tell them apart.
  const overrideAll = (command: Command) => {
    command.exitOverride();
    command.commands.forEach(overrideAll);
  };
  overrideAll(program);
  try {
    await program.parseAsync(process.argv);
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      process.exitCode = thrown.exitCode === 0 ? 0 : EXIT_USAGE;
      return;
    }
    process.stderr.write(`remora: ${errorText(thrown)}\n`);
    process.exitCode = EXIT_FAILED;
  }
}

// The timers of the planes do not hold the process; a verb that waits (for its control plane, say) must.
const HOUR_MS = 3_600_000;
const alive = setInterval(() => {}, HOUR_MS);
await run();
clearInterval(alive);
