// `remora ctl proxy-status`: which sidecars are connected, whether they took what they were sent, and what they
// wait for.

import type { Command } from 'commander';
import { systemClock } from '../../common/clock.ts';
import { CodedError } from '../../common/coded-error.ts';
import { type Colour, type Paint, paintFor } from '../print/colour.ts';
import { formatAge, formatTable, printable } from '../print/table.ts';
import type { ProxyStatus, ProxyTypeStatus } from '../rest-client.ts';
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
      .description(
        'show every sidecar: connected since when, the state of each xDS type, what it waits for',
      )
      .argument('[node]', 'only this one: <namespace>/<name>')
      .addOption(outputOption('table')),
  )
    .addHelpText(
      'after',
      `
SYNCED    the sidecar has acknowledged everything
STALE     something is newer than what it has acknowledged
NACKED    it refused the last update (NACK) and runs the one before; the reason is printed below
NOT_SENT  nothing of this type was sent
Behind each stands since when. Below the table stands what a sidecar waits for and which answers it owes.

Exit code 1 when a sidecar (of those shown) refuses its configuration.

Examples:
  remora ctl proxy-status
  remora ctl proxy-status default/orders.1a2b3c
  remora ctl proxy-status -o json`,
    )
    .action(async (node: string | undefined, flags: Flags) => {
      const { items: all, ...rest } = await clientOf(flags).proxyStatus();
      const items = all.filter((item) => node === undefined || item.node === node);
      if (node !== undefined && items.length === 0) {
        throw new CodedError('not-found', `no node "${node}"; see: remora ctl proxy-status`);
      }
      if (flags.output !== 'table') {
        process.stdout.write(structured({ ...rest, items }, flags.output));
      } else if (items.length === 0) {
        process.stderr.write('no sidecar has joined; see: remora ctl token --help\n');
      } else {
        process.stdout.write(
          proxyStatusTable(items, systemClock.wallMs(), paintFor(process.stdout)),
        );
      }
      if (rejections(items, 0).length > 0) process.exitCode = 1;
    });
}

/** Shown first, in this order; other types that a sidecar was sent follow. */
const coreTypes = ['CDS', 'EDS', 'SDS', 'LDS', 'RDS'];

const stateColours: Readonly<Record<string, Colour>> = {
  SYNCED: 'green',
  STALE: 'yellow',
  NACKED: 'red',
  NOT_SENT: 'dim',
};

const noColour: Paint = (text) => text;

/** `nowMs`: for ages. */
export function proxyStatusTable(
  items: readonly ProxyStatus[],
  nowMs: number,
  paint: Paint = noColour,
): string {
  const others = items.flatMap((item) => Object.keys(item.types));
  const types = [...new Set([...coreTypes, ...others])];
  const table = formatTable(
    ['NODE', 'SERVICE', 'VERSION', 'ADDRESS', 'XDS', ...types],
    items.map((item) => [
      item.node,
      item.service || '-',
      item.version ?? '-',
      item.address,
      item.stream === null
        ? 'not connected'
        : `${item.stream.protocol} ${formatAge(item.stream.connectedSeconds)}`,
      ...types.map((type) => stateText(item.types[type], nowMs)),
    ]),
    (text, cell, column) => {
      const colour = types.includes(column) ? stateColours[cell.split(' ')[0] ?? ''] : undefined;
      return colour === undefined ? text : paint(text, colour);
    },
  );
  const red = rejections(items, nowMs).map((line) => paint(line, 'red'));
  const yellow = waits(items).map((line) => paint(line, 'yellow'));
  return table + [...red, ...yellow].map((line) => `${line}\n`).join('');
}

function stateText(status: ProxyTypeStatus | undefined, nowMs: number): string {
  if (status === undefined) return '-';
  const age = ageOf(status, nowMs);
  return status.state === 'NOT_SENT' || age === null ? status.state : `${status.state} ${age}`;
}

function ageOf({ since }: ProxyTypeStatus, nowMs: number): string | null {
  if (since === null) return null;
  return formatAge(Math.max(0, (nowMs - Date.parse(since)) / 1000));
}

function rejections(items: readonly ProxyStatus[], nowMs: number): string[] {
  return items.flatMap((item) =>
    Object.entries(item.types)
      .filter(([, status]) => status.state === 'NACKED')
      .map(([type, status]) => {
        const age = ageOf(status, nowMs);
        const since = age === null ? '' : ` since ${age}`;
        const reason = (status.error ?? 'no reason given').trim().replaceAll('\n', '; ');
        return printable(`${item.node} refuses ${type}${since}: ${reason}`);
      }),
  );
}

const NAMES_SHOWN = 3;
/** An answer takes a moment; only one that is late is worth a line. */
const LATE_ANSWER_S = 1;

function waits(items: readonly ProxyStatus[]): string[] {
  const lines: string[] = [];
  for (const { node, waits: ofNode } of items) {
    for (const { type, name, reason, seconds } of ofNode) {
      if (reason !== 'missing') continue;
      lines.push(
        `${node} waits for ${type} ${name} since ${formatAge(seconds)}: the control plane has none`,
      );
    }
    const late = ofNode.filter((wait) => wait.reason !== 'missing' && wait.seconds > LATE_ANSWER_S);
    for (const type of new Set(late.map((wait) => wait.type))) {
      const ofType = late.filter((wait) => wait.type === type);
      const names = ofType.map(({ name }) => name).filter(Boolean);
      const more = names.length > NAMES_SHOWN ? ` and ${names.length - NAMES_SHOWN} more` : '';
      const shown = names.length === 0 ? '' : ` (${names.slice(0, NAMES_SHOWN).join(', ')}${more})`;
      const age = formatAge(Math.max(...ofType.map(({ seconds }) => seconds)));
      lines.push(`${node} has not answered ${type}${shown} since ${age}`);
    }
  }
  return lines.map(printable);
}
