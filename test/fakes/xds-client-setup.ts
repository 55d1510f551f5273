// An xDS client on a fake control plane, fake timers and a recording sink.

import { silentLogger } from '../../common/logger.ts';
import { adsSource, type GrpcApiConfig } from '../../dataplane/api/config/config-source.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import type { AdsChannelFactory } from '../../dataplane/xds/ads-channel.ts';
import { sourceOpener } from '../../dataplane/xds/open-source.ts';
import { XdsClient, type XdsClientOptions } from '../../dataplane/xds/xds-client.ts';
import { FakeControlPlane } from './ads-channel.ts';
import { grpcApi } from './config-source.ts';
import { FakeTimers } from './timers.ts';
import { FakeCompiler, RecordingSink } from './xds-client.ts';
import { FakeFiles, FakeRestServer } from './xds-sources.ts';

export interface XdsClientSetup
  extends Partial<
    Pick<XdsClientOptions, 'compiler' | 'cds' | 'hasAds' | 'lds' | 'staticReferences' | 'sink'>
  > {
  /** Of the aggregated stream; default DELTA_GRPC. */
  readonly protocol?: GrpcApiConfig['protocol'];
  readonly setNodeOnFirstMessageOnly?: boolean;
  /** In place of the fake control plane. */
  readonly channelFactory?: AdsChannelFactory;
}

/** What no test here speaks with. */
export function setUpXdsServices() {
  return { restCaller: new FakeRestServer().caller, files: new FakeFiles() };
}

export function setUpXdsClient({
  protocol = 'DELTA_GRPC',
  setNodeOnFirstMessageOnly = false,
  channelFactory,
  ...options
}: XdsClientSetup = {}) {
  const server = new FakeControlPlane();
  const rest = new FakeRestServer();
  const files = new FakeFiles();
  const timers = new FakeTimers();
  const sink = new RecordingSink();
  const compiler = new FakeCompiler();
  const stats = new HolderStore();
  const client = new XdsClient({
    hasAds: true,
    cds: adsSource,
    lds: adsSource,
    staticReferences: [],
    compiler,
    sink,
    clock: timers.clock,
    timers,
    logger: silentLogger(),
    stats,
    open: sourceOpener({
      ads: grpcApi({ protocol, setNodeOnFirstMessageOnly }),
      channelFactory: () => channelFactory ?? server.factory,
      restCaller: rest.caller,
      files,
      node: { id: 'n1' },
      clock: timers.clock,
      random: () => 0,
      timers,
      logger: silentLogger(),
    }),
    ...options,
  });
  /** `prefix.name` -> value or text. */
  const collect = () => {
    const values: Record<string, number | string> = {};
    stats.collect({
      value: (scope, name, _kind, value) => {
        values[`${scope.prefix}.${name}`] = value;
      },
      text: (scope, name, value) => {
        values[`${scope.prefix}.${name}`] = value;
      },
      tagged: () => {},
      histogram: () => {},
    });
    return values;
  };
  return { server, rest, files, timers, sink, compiler, client, collect };
}
