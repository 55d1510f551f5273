// Streams that tell management servers about us, beside xDS: load reports. Loaded when the bootstrap has one: gRPC is large.

import type { Clock, Random } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import type { BootstrapConfig } from '../api/config/bootstrap.ts';
import type { TakeSample } from '../api/load-sample.ts';
import type { StatsStore } from '../api/stats.ts';
import type { JoinedMesh } from '../join/join-client.ts';
import { LoadReporter } from '../load-stats/reporter.ts';
import { channelFactory } from './management-channel.ts';
import { nodeOf } from './node.ts';

export interface ReportStreamParts {
  readonly bootstrap: BootstrapConfig;
  readonly membership: JoinedMesh | null;
  readonly stats: StatsStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly takeSample: TakeSample;
}

/** Opens them. */
export function openReportStreams(parts: ReportStreamParts): Disposable {
  const { bootstrap, membership } = parts;
  const streams: { stop(): void }[] = [];
  const node = nodeOf(bootstrap);
  if (bootstrap.loadStats !== null) {
    const reporter = new LoadReporter({
      ...parts,
      channelFactory: channelFactory(bootstrap.loadStats, membership),
      node,
      connectTimeoutMs: bootstrap.loadStats.target.connectTimeoutMs,
    });
    reporter.start();
    streams.push(reporter);
  }
  return {
    [Symbol.dispose]: () => {
      for (const stream of streams) stream.stop();
    },
  };
}
