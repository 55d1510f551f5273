// From a ConfigSource to what speaks with it. xds-client.ts opens each source once, when the first thing refers to it.

import type { Clock, Random } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import { encodeMessage } from '../../proto/any.ts';
import { adsPath } from '../../proto/discovery.ts';
import type { NodeProto } from '../../proto/gen/types.ts';
import type {
  ConfigSource,
  GrpcApiConfig,
  GrpcServiceConfig,
} from '../api/config/config-source.ts';
import type { AdsChannelFactory } from './ads-channel.ts';
import type { ResourceSource, SourceOwner } from './resource-source.ts';
import { StreamSource } from './stream-source.ts';
import type { ControlPlaneStats } from './xds-stats.ts';

/** `stats` are those of the source's connection. */
export type SourceOpener = (
  source: ConfigSource,
  owner: SourceOwner,
  stats: ControlPlaneStats,
) => ResourceSource;

export interface SourceServices {
  /** ads_config; null = there is no aggregated stream (then nothing refers to it). */
  readonly ads: GrpcApiConfig | null;
  readonly channelFactory: (service: GrpcServiceConfig) => AdsChannelFactory;
  /** What the first request of every stream says of us. */
  readonly node: NodeProto;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly logger: Logger;
}

export function sourceOpener(services: SourceServices): SourceOpener {
  const node = encodeMessage('envoy.config.core.v3.Node', services.node);
  return (source, owner, stats) => {
    const { ads } = services;
    const [service] = ads?.services ?? [];
    if (source.kind !== 'ads' || ads === null || service === undefined) {
      throw new Error(`no way to open a source of kind ${source.kind}`);
    }
    return new StreamSource(
      {
        ...services,
        protocol: ads.protocol,
        path: ads.protocol === 'GRPC' ? adsPath.sotw : adsPath.delta,
        channelFactory: services.channelFactory(service),
        node,
        stats,
        baseBackoffMs: service.backoffBaseMs,
        maxBackoffMs: service.backoffMaxMs,
        connectTimeoutMs: service.target.connectTimeoutMs,
      },
      owner,
    );
  };
}
