// `remora completion SHELL`: completion scripts made from the command tree itself, so that they cannot
// fall behind it. Words only (verbs, flags, choices); files are left to the shell. Asks no control plane.

import { Argument, type Command } from 'commander';

const shells = ['bash', 'zsh', 'fish'] as const;

export function register(program: Command): void {
  program
    .command('completion')
    .description('print a shell completion script')
    .addArgument(new Argument('<shell>', 'which shell').choices([...shells]))
    .addHelpText(
      'after',
      `
Examples:
  source <(remora completion bash)
  remora completion zsh > "\${fpath[1]}/_remora"
  remora completion fish > ~/.config/fish/completions/remora.fish`,
    )
    .action((shell: (typeof shells)[number]) => {
      const paths = commandPaths(program, []);
      process.stdout.write(
        shell === 'fish' ? fishScript(paths) : bashScript(paths, shell === 'zsh'),
      );
    });
}

/** One command with the words that may follow it. */
interface CommandPath {
  readonly words: readonly string[];
  readonly subcommands: readonly { readonly name: string; readonly description: string }[];
  readonly flags: readonly Flag[];
  /** What its arguments may be, where there is a list. */
  readonly choices: readonly string[];
}

interface Flag {
  readonly flag: string;
  readonly description: string;
  /** What its value may be, where there is a list. */
  readonly choices: readonly string[];
}

export function commandPaths(command: Command, words: readonly string[]): CommandPath[] {
  const here: CommandPath = {
    words,
    subcommands: command.commands.map((sub) => ({
      name: sub.name(),
      description: sub.description(),
    })),
    flags: command.options.flatMap((option) =>
      option.long === undefined
        ? []
        : [
            {
              flag: option.long,
              description: option.description,
              choices: option.argChoices ?? [],
            },
          ],
    ),
    choices: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  };
  return [
    here,
    ...command.commands.flatMap((sub) =>
      [sub.name(), ...sub.aliases()].flatMap((name) => commandPaths(sub, [...words, name])),
    ),
  ];
}

function bashScript(paths: readonly CommandPath[], zsh: boolean): string {
  const cases = paths.flatMap(({ words, subcommands, flags, choices }) => {
    const follow = [
      ...subcommands.map(({ name }) => name),
      ...choices,
      ...flags.map(({ flag }) => flag),
      '--help',
    ];
    const path = words.join(' ');
    // Arguments of its own, names of nodes for instance, may stand behind a command without subcommands.
    const pattern = subcommands.length > 0 ? `'${path}'` : `'${path}'|'${path} '*`;
    const values = flags
      .filter((flag) => flag.choices.length > 0)
      .map(({ flag, choices: list }) => `${flag}) words='${list.join(' ')}' ;;`);
    const ofFlag = values.length === 0 ? '' : `; case "$before" in ${values.join(' ')} esac`;
    return [`    ${pattern}) words='${follow.join(' ')}'${ofFlag} ;;`];
  });
  return `${zsh ? '#compdef remora\nautoload -U +X bashcompinit && bashcompinit\n' : ''}_remora() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" path='' words='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _remora remora
`;
}

function fishScript(paths: readonly CommandPath[]): string {
  const lines: string[] = [];
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  for (const { words, subcommands, flags, choices } of paths) {
    const seen = words.map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
    const condition = words.length === 0 ? '__fish_use_subcommand' : seen;
    for (const { name, description } of subcommands) {
      lines.push(
        `complete -c remora -f -n ${quote(condition)} -a ${name} -d ${quote(description)}`,
      );
    }
    for (const choice of choices) {
      lines.push(`complete -c remora -f -n ${quote(condition)} -a ${choice}`);
    }
    for (const { flag, description, choices: list } of flags) {
      const values = list.length === 0 ? '' : ` -x -a ${quote(list.join(' '))}`;
      lines.push(
        `complete -c remora -n ${quote(condition)} -l ${flag.slice(2)}${values} -d ${quote(description)}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
