// Streams that tell management servers about us, beside xDS: load reports, delegated health checks. Loaded when the bootstrap has one: gRPC is large.

import type { Clock, Random } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import { err, type FieldError, ok, type Result } from '../../common/result.ts';
import type { TimerService } from '../../common/timer.ts';
import type { BootstrapConfig } from '../api/config/bootstrap.ts';
import type { ClusterConfig } from '../api/config/cluster.ts';
import { adsSource } from '../api/config/config-source.ts';
import type { TakeSample } from '../api/load-sample.ts';
import type { StatsStore } from '../api/stats.ts';
import { type ConfigInputs, createResourceCompiler } from '../config/resource-compiler.ts';
import { HealthDelegate } from '../hds/health-delegate.ts';
import type { JoinedMesh } from '../join/join-client.ts';
import { LoadReporter } from '../load-stats/reporter.ts';
import type { HealthCheckParts } from '../upstream/health/health-checker.ts';
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
  readonly inputs: ConfigInputs;
  readonly takeSample: TakeSample;
  readonly checks: HealthCheckParts;
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
  if (bootstrap.hds !== null) {
    const delegate = new HealthDelegate({
      ...parts,
      channelFactory: channelFactory(bootstrap.hds, membership),
      node,
      compileCluster: clusterCompiler(parts),
      connectTimeoutMs: bootstrap.hds.target.connectTimeoutMs,
    });
    delegate.start();
    streams.push(delegate);
  }
  return {
    [Symbol.dispose]: () => {
      for (const stream of streams) stream.stop();
    },
  };
}

function clusterCompiler({ bootstrap, inputs }: ReportStreamParts) {
  const compiler = createResourceCompiler(bootstrap, inputs);
  return (bytes: Uint8Array): Result<ClusterConfig, readonly FieldError[]> => {
    const outcome = compiler.compile('cluster', bytes, adsSource);
    // Of a resource of that kind.
    return outcome.ok ? ok(outcome.resource.data as ClusterConfig) : err(outcome.errors);
  };
}
