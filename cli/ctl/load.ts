// `remora ctl load`: the load that sidecars report that they send, per Service and locality.

import type { Command } from 'commander';
import { paintFor } from '../print/colour.ts';
import { formatTable, type PaintCell } from '../print/table.ts';
import type { ServiceLoad } from '../rest-client.ts';
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
}

export function register(parent: Command): void {
  addServerOptions(
    parent
      .command('load')
      .description('show the load that sidecars report: requests, errors and what is in progress')
      .argument('[service]', 'only this one (default: all)')
      .option('-n, --namespace <name>', 'of the service', 'default')
      .addOption(outputOption('table')),
  )
    .addHelpText(
      'after',
      `
Callers' sidecars report every 10 s (remora controlplane --load-report-interval-s). Shown is the last interval of each,
added up: VERSION is * for calls that may go to every version; ERRORS are of the requests that ended; REPORTING is how
many sidecars had any. Below a service stands what was dropped before it was sent (circuit breakers).

Examples:
  remora ctl load
  remora ctl load orders
  remora ctl load orders -o json`,
    )
    .action(async (service: string | undefined, flags: Flags) => {
      const id = service === undefined ? null : `${service}.${flags.namespace}`;
      const items = await clientOf(flags).loads(id);
      if (flags.output !== 'table') {
        process.stdout.write(structured({ items }, flags.output));
        return;
      }
      const paint = paintFor(process.stdout);
      process.stdout.write(
        loadTable(items, (text, cell, column) =>
          column === 'ERRORS' && /[1-9]/.test(cell) ? paint(text, 'red') : text,
        ),
      );
    });
}

/** One row per locality, one for a service without any, one more where something was dropped. */
export function loadTable(items: readonly ServiceLoad[], paint?: PaintCell): string {
  const rows = items.flatMap(({ service, version, cluster, localities, droppedPerSecond }) => {
    const name = service === '' ? cluster : service;
    const about = [name, version ?? '*'];
    const ofPlaces = localities.map((place) => {
      const { locality, priority, requestsPerSecond, errorRatio, inProgress, reporters } = place;
      return [
        ...about,
        (locality || '-') + (priority === 0 ? '' : ` (priority ${priority})`),
        rate(requestsPerSecond),
        `${(100 * errorRatio).toFixed(1)} %`,
        String(inProgress),
        String(reporters),
      ];
    });
    const dropped =
      droppedPerSecond === 0 ? [] : [[...about, 'dropped', rate(droppedPerSecond), '-', '-', '-']];
    const shown = [...ofPlaces, ...dropped];
    return shown.length > 0 ? shown : [[...about, '-', '0', '-', '-', '0']];
  });
  return formatTable(
    ['SERVICE', 'VERSION', 'LOCALITY', 'REQUESTS/S', 'ERRORS', 'IN PROGRESS', 'REPORTING'],
    rows,
    paint,
  );
}

/** `1234`, `12.3`, `0.05`: three digits are enough. */
function rate(perSecond: number): string {
  if (perSecond === 0) return '0';
  return perSecond >= 100
    ? String(Math.round(perSecond))
    : String(Number(perSecond.toPrecision(3)));
}
