// From a ConfigSource to what speaks with it. xds-client.ts opens each source once, when the first thing refers to it.

import type { Clock, Random } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import { encodeMessage } from '../../proto/any.ts';
import { adsPath } from '../../proto/discovery.ts';
import type { NodeProto } from '../../proto/gen/types.ts';
import { messageToJson } from '../../proto/json.ts';
import type {
  ConfigSource,
  GrpcApiConfig,
  GrpcServiceConfig,
} from '../api/config/config-source.ts';
import { type ResourceKind, xdsTypes } from '../api/resource-compiler.ts';
import type { AdsChannelFactory } from './ads-channel.ts';
import { FileSource } from './file-source.ts';
import { OwnStreamsSource } from './own-streams-source.ts';
import type { ResourceFiles } from './resource-files.ts';
import type { ResourceSource, SourceOwner } from './resource-source.ts';
import { type RestCaller, RestResourceSource } from './rest-source.ts';
import { StreamSource, type StreamSourceOptions } from './stream-source.ts';
import type { ControlPlaneStats } from './xds-stats.ts';

/** `stats`: of the stream of that type; null = of the one of all types. */
export type SourceOpener = (
  source: ConfigSource,
  owner: SourceOwner,
  stats: (kind: ResourceKind | null) => ControlPlaneStats,
) => ResourceSource;

export interface SourceServices {
  /** ads_config; null = there is no aggregated stream (then nothing refers to it). */
  readonly ads: GrpcApiConfig | null;
  readonly channelFactory: (service: GrpcServiceConfig) => AdsChannelFactory;
  readonly restCaller: RestCaller;
  readonly files: ResourceFiles;
  /** What requests say of us. */
  readonly node: NodeProto;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly logger: Logger;
}

const NODE = 'envoy.config.core.v3.Node';

export function sourceOpener(services: SourceServices): SourceOpener {
  const bytes = encodeMessage(NODE, services.node);
  const streamOptions = (
    api: GrpcApiConfig,
  ): Omit<StreamSourceOptions, 'kind' | 'path' | 'stats'> => ({
    ...services,
    protocol: api.protocol,
    servers: api.services.map((service) => ({
      channelFactory: services.channelFactory(service),
      baseBackoffMs: service.backoffBaseMs,
      maxBackoffMs: service.backoffMaxMs,
      connectTimeoutMs: service.target.connectTimeoutMs,
    })),
    rateLimit: api.rateLimit,
    node: { bytes, isSentOnce: api.setNodeOnFirstMessageOnly },
  });
  return (source, owner, stats) => {
    switch (source.kind) {
      case 'ads': {
        const { ads } = services;
        if (ads === null) throw new Error('there is no aggregated stream');
        const path = ads.protocol === 'GRPC' ? adsPath.sotw : adsPath.delta;
        return new StreamSource(
          { ...streamOptions(ads), path, kind: null, stats: stats(null) },
          owner,
        );
      }
      case 'grpc': {
        const { api } = source;
        return new OwnStreamsSource((kind) => {
          const path = methodPath(kind, api.protocol);
          return new StreamSource({ ...streamOptions(api), path, kind, stats: stats(kind) }, owner);
        });
      }
      case 'rest': {
        const node = messageToJson(NODE, services.node);
        const { restCaller: caller } = services;
        return new RestResourceSource({ ...services, source, node, caller }, owner);
      }
      case 'path':
        return new FileSource({ ...services, source }, owner);
    }
  };
}

/** gRPC method of an own stream. */
function methodPath(kind: ResourceKind, protocol: GrpcApiConfig['protocol']): string {
  const { service, method } = xdsTypes[kind];
  return `/${service}/${protocol === 'GRPC' ? 'Stream' : 'Delta'}${method}`;
}
