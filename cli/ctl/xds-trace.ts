// `remora ctl xds-trace`: the xDS of one node as it happens, until Ctrl-C, --count or --for.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Colour, type Paint, paintFor } from '../print/colour.ts';
import { printable } from '../print/table.ts';
import type { FieldChange } from '../rest-client.ts';
import { addServerOptions, clientOf, type ServerFlags } from './options.ts';
import { fieldLines } from './proxy-config.ts';
import { parseTtl } from './token.ts';

interface Flags extends ServerFlags {
  readonly output: 'text' | 'json';
  readonly count?: number;
  /** Seconds. */
  readonly for?: number;
}

interface Names {
  readonly names: readonly string[];
  readonly more: number;
}

/** A line of the control plane's stream; what says nothing is left out. */
export interface TraceLine {
  readonly at: string;
  readonly event: string;
  readonly type?: string;
  readonly bytes?: number;
  readonly nonce?: string;
  readonly version?: string;
  readonly afterMs?: number;
  readonly subscribe?: Names;
  readonly unsubscribe?: Names;
  readonly resources?: number;
  readonly added?: Names;
  readonly changed?: readonly {
    readonly name: string;
    readonly fields: readonly FieldChange[];
    readonly more: number;
  }[];
  readonly changedMore?: number;
  readonly unchanged?: number;
  readonly removed?: Names;
  readonly text?: string;
  readonly count?: number;
}

export function register(parent: Command): void {
  addServerOptions(
    parent
      .command('xds-trace')
      .description(
        'watch the xDS of one sidecar: requests, responses, ACKs and NACKs, with what changed',
      )
      .argument('<node>', 'as proxy-status names it: <namespace>/<name>')
      .option('--count <n>', 'end after so many events', parseCount)
      .option('--for <duration>', 'end after so long, such as 30s or 5m', parseFor)
      .addOption(
        new Option('-o, --output <format>', 'text, or json: one object per line')
          .choices(['text', 'json'])
          .default('text'),
      ),
  )
    .addHelpText(
      'after',
      `
  +  a resource that the node was not sent before   ~  one that changed, with its fields   -  one that is gone
Secrets are shown as names, validity and fingerprint. A trace costs the control plane a little while it runs; when
the reader is too slow, events are dropped and counted. Ctrl-C ends it.

Examples:
  remora ctl xds-trace default/orders.1a2b3c
  remora ctl xds-trace default/orders.1a2b3c --for 30s
  remora ctl xds-trace default/orders.1a2b3c --count 10 -o json`,
    )
    .action(async (node: string, flags: Flags) => {
      const ending = new AbortController();
      const end = (): void => ending.abort();
      process.once('SIGINT', end);
      const signals = [ending.signal];
      if (flags.for !== undefined) signals.push(AbortSignal.timeout(flags.for * 1000));
      try {
        await follow(node, flags, AbortSignal.any(signals));
      } finally {
        process.off('SIGINT', end);
      }
    });
}

async function follow(node: string, flags: Flags, signal: AbortSignal): Promise<void> {
  const paint = paintFor(process.stdout);
  let left = flags.count ?? Number.POSITIVE_INFINITY;
  for await (const line of clientOf(flags).trace(node, signal)) {
    const parsed = JSON.parse(line) as TraceLine; // the control plane's own
    process.stdout.write(flags.output === 'json' ? `${line}\n` : traceText(parsed, paint));
    // Its first line only says that it listens.
    if (parsed.event !== 'tracing' && --left <= 0) return;
  }
}

/** Beyond this a timer of Node fires at once. */
const MAX_FOR_S = 24 * 86_400;

export function parseFor(text: string): number {
  const seconds = parseTtl(text);
  if (seconds > MAX_FOR_S) throw new InvalidArgumentError('expected no more than 24d');
  return seconds;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d{1,9}$/.test(text) || count < 1)
    throw new InvalidArgumentError('expected a number >= 1');
  return count;
}

const colours: Readonly<Record<string, Colour>> = {
  ACK: 'green',
  NACK: 'red',
  response: 'cyan',
  closed: 'yellow',
  stale: 'yellow',
  dropped: 'red',
};

/** One event, with its names and changes on lines of their own. */
export function traceText(line: TraceLine, paint: Paint): string {
  const { event, added, removed, subscribe, unsubscribe } = line;
  const time = line.at.slice(11, 23);
  const colour = colours[event];
  const head = `${event.padEnd(8)}  ${(line.type ?? '').padEnd(4)}`;
  let text = `${time}  ${colour === undefined ? head : paint(head, colour)}  ${printable(facts(line))}`;
  text = `${text.trimEnd()}\n`;
  for (const [mark, names] of [
    ['asks for', subscribe],
    ['no longer', unsubscribe],
    ['+', added],
  ] as const) {
    text += nameLines(mark, names);
  }
  for (const { name, fields, more } of line.changed ?? []) {
    text += `${INDENT}~ ${printable(name)}\n${fieldLines(fields, more, `${INDENT}    `)}`;
  }
  if (line.changedMore !== undefined) text += `${INDENT}~ and ${line.changedMore} more\n`;
  return text + nameLines('-', removed);
}

const INDENT = ' '.repeat(14);

function nameLines(mark: string, names: Names | undefined): string {
  if (names === undefined) return '';
  const lines = names.names.map((name) => `${INDENT}${mark} ${printable(name)}\n`);
  if (names.more > 0) lines.push(`${INDENT}${mark} and ${names.more} more\n`);
  return lines.join('');
}

function facts(line: TraceLine): string {
  const { nonce, version, bytes, resources, unchanged, afterMs, text, count } = line;
  const parts = [
    nonce === undefined ? '' : `nonce ${nonce}`,
    version === undefined || version === '' ? '' : `version ${version}`,
    bytes === undefined ? '' : sizeText(bytes),
    resources === undefined ? '' : `${resources} resource${resources === 1 ? '' : 's'}`,
    unchanged === undefined ? '' : `${unchanged} unchanged`,
    afterMs === undefined ? '' : `after ${afterMs} ms`,
    count === undefined ? '' : `${count} events, because they came faster than they were read`,
    (text ?? '').trim().replaceAll('\n', '; '),
  ];
  return parts.filter(Boolean).join(', ');
}

function sizeText(bytes: number): string {
  return bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KiB`;
}
