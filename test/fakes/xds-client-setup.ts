// An xDS client on a fake control plane, fake timers and a recording sink.

import { silentLogger } from '../../common/logger.ts';
import { HolderStore } from '../../dataplane/stats/store.ts';
import { XdsClient, type XdsClientOptions } from '../../dataplane/xds/xds-client.ts';
import { FakeControlPlane } from './ads-channel.ts';
import { FakeTimers } from './timers.ts';
import { FakeCompiler, RecordingSink } from './xds-client.ts';

export function setUpXdsClient(options: Partial<XdsClientOptions> = {}) {
  const server = new FakeControlPlane();
  const timers = new FakeTimers();
  const sink = new RecordingSink();
  const compiler = new FakeCompiler();
  const stats = new HolderStore();
  const client = new XdsClient({
    protocol: 'DELTA_GRPC',
    channelFactory: server.factory,
    node: { id: 'n1' },
    hasCds: true,
    hasLds: true,
    staticReferences: [],
    compiler,
    sink,
    clock: timers.clock,
    random: () => 0,
    timers,
    logger: silentLogger(),
    stats,
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
  return { server, timers, sink, compiler, client, collect };
}
