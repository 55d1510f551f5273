// From the bootstrap (or a join) to a running xDS client: channels, node, references of what is static.

import type { Clock, Random } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import type { BootstrapConfig } from '../api/config/bootstrap.ts';
import type { SecretData } from '../api/config/tls.ts';
import type { OnDemandOutcome } from '../api/on-demand.ts';
import type { ResourceCompiler, ResourceReference } from '../api/resource-compiler.ts';
import type { ResourceSink } from '../api/resource-sink.ts';
import type { StatsStore } from '../api/stats.ts';
import { type ConfigInputs, createResourceCompiler } from '../config/resource-compiler.ts';
import type { JoinedMesh } from '../join/join-client.ts';
import { readRuntime } from '../matcher/runtime-value.ts';
import { OnDemandNames, OnDemandStats, onDemandScope } from '../xds/on-demand-names.ts';
import { sourceOpener } from '../xds/open-source.ts';
import { resourceFiles } from '../xds/resource-files.ts';
import { XdsClient, type XdsDumpEntry } from '../xds/xds-client.ts';
import type { DumpedResource } from './config-dump.ts';
import type { LastGood } from './last-good.ts';
import { channelFactory } from './management-channel.ts';
import { nodeOf } from './node.ts';
import { restCaller } from './rest-caller.ts';

export interface AdsConnectionOptions {
  readonly bootstrap: BootstrapConfig;
  readonly inputs: ConfigInputs;
  /** Joined sidecars bring their own credentials. */
  readonly membership: JoinedMesh | null;
  readonly sink: ResourceSink;
  readonly stats: StatsStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: TimerService;
  readonly logger: Logger;
  /** Null = nothing is kept on disk. */
  readonly lastGood: LastGood | null;
  /** Of requestOnDemand, to every worker. */
  readonly answerOnDemand: (key: string, outcome: OnDemandOutcome) => void;
  /** An accepted resource had fields that we do not know. */
  readonly onUnknownFields: (count: number) => void;
}

export interface AdsConnection {
  dump(): readonly DumpedResource[];
  /** All that the client knows of each resource. */
  entries(): readonly XdsDumpEntry[];
  /** /config_dump then shows it as the resource's error_state, until a good version comes. */
  reportFailure(kind: DumpedResource['kind'], name: string, details: string): void;
  /** A request needs it; the answer goes to `answerOnDemand`. */
  requestOnDemand(target: ResourceReference): void;
  /** No request can need it any more. */
  forgetOnDemand(target: ResourceReference): void;
  /** Some cluster is no longer warming. */
  onClusterWarm(): void;
  stop(): void;
}

/** Opens the stream. */
export function connectAds(options: AdsConnectionOptions): AdsConnection {
  const { bootstrap, lastGood } = options;
  const { ads, cds, lds } = bootstrap.dynamicResources;
  // The compiler's contract: data of kind 'secret' are SecretData.
  const secret = (id: string) => client.dataOf('secret', id) as SecretData | undefined;
  const open = sourceOpener({
    ...options,
    ads,
    node: nodeOf(bootstrap),
    channelFactory: (service) => channelFactory(service, options.membership, secret),
    restCaller: restCaller(secret),
    files: resourceFiles,
  });
  const client: XdsClient = new XdsClient({
    ...options,
    onNews: (news) => names.onNews(news),
    hasAds: ads !== null,
    cds,
    lds,
    staticReferences: bootstrap.references,
    compiler: countingCompiler(options),
    open: lastGood?.around(open) ?? open,
  });
  const names = createOnDemandNames(client, options);
  lastGood?.keep(client);
  client.start();
  return {
    stop: () => client.stop(),
    entries: () => client.dump(),
    requestOnDemand: (target) => names.request(target),
    forgetOnDemand: (target) => names.forget(target),
    onClusterWarm: () => client.onClusterWarm(),
    reportFailure: (kind, name, details) => client.reportFailure(kind, name, details),
    dump: () =>
      client.dump().map((entry) => ({
        kind: entry.kind,
        name: entry.name,
        bytes: entry.compiled === null ? null : entry.bytes,
        version: entry.version,
        lastUpdatedMs: entry.updatedAtMs,
        error: entry.error?.details ?? null,
      })),
  };
}

/** Ours: how many names requests may make us ask for. */
const MAX_ON_DEMAND_NAMES_KEY = 'remora.on_demand.max_names';
const DEFAULT_MAX_ON_DEMAND_NAMES = 10_000;

function createOnDemandNames(
  subscriptions: XdsClient,
  { inputs, stats, answerOnDemand }: AdsConnectionOptions,
): OnDemandNames {
  const counts = new OnDemandStats();
  stats.add(onDemandScope, counts);
  const maxNames = inputs.runtime.integer(MAX_ON_DEMAND_NAMES_KEY, DEFAULT_MAX_ON_DEMAND_NAMES);
  return new OnDemandNames({
    subscriptions,
    maxNames: () => readRuntime(maxNames),
    stats: counts,
    answer: answerOnDemand,
  });
}

/** Envoy: an unknown field of a dynamic resource is no error but a counter. */
function countingCompiler({
  bootstrap,
  inputs,
  onUnknownFields,
}: AdsConnectionOptions): ResourceCompiler {
  const compiler = createResourceCompiler(bootstrap, inputs);
  return {
    compile: (kind, bytes, source, wrapperName) => {
      const outcome = compiler.compile(kind, bytes, source, wrapperName);
      if (outcome.ok) {
        const unknown = outcome.resource.warnings.filter(({ message }) =>
          message.includes('unknown field'),
        );
        if (unknown.length > 0) onUnknownFields(unknown.length);
      }
      return outcome;
    },
  };
}
