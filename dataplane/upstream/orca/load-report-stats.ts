// Stats below `cluster.<name>.lb_orca_oob.`, names as Envoy's. Main thread only.

import type { StatField } from '../../api/stats.ts';

export class LoadReportStats {
  static readonly stats: readonly StatField[] = [
    { field: 'activeSessions', name: 'lb_orca_oob.active_sessions', kind: 'gauge' },
    counter('reportsReceived', 'reports_received'),
    counter('reportErrors', 'report_errors'),
    counter('streamFailures', 'stream_failures'),
    counter('streamTerminated', 'stream_terminated'),
  ];

  /** Hosts that are asked, now or after a back-off. */
  activeSessions = 0;
  reportsReceived = 0;
  /** Those that no weight could be made of. */
  reportErrors = 0;
  /** Streams that ended and are opened anew. */
  streamFailures = 0;
  /** Hosts that have no such service: they are not asked again. */
  streamTerminated = 0;
}

function counter(field: string, name: string): StatField {
  return { field, name: `lb_orca_oob.${name}`, kind: 'counter' };
}
