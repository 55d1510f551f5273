// From ads_config (or a join) to a running xDS client: credentials, targets, node, references of what is static.

import { type ChannelCredentials, credentials, Metadata } from '@grpc/grpc-js';
import type { Clock, Random } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import type { NodeProto } from '../../proto/gen/types.ts';
import { isRecord } from '../../proto/plain.ts';
import type { BootstrapConfig, GrpcTarget } from '../api/config/bootstrap.ts';
import type { GrpcServiceConfig } from '../api/config/config-source.ts';
import type { ResourceCompiler } from '../api/resource-compiler.ts';
import type { ResourceSink } from '../api/resource-sink.ts';
import type { StatsStore } from '../api/stats.ts';
import { type ConfigInputs, createResourceCompiler } from '../config/resource-compiler.ts';
import type { JoinedMesh } from '../join/join-client.ts';
import { type AdsChannelFactory, grpcChannelFactory } from '../xds/ads-channel.ts';
import { sourceOpener } from '../xds/open-source.ts';
import { XdsClient } from '../xds/xds-client.ts';
import type { DumpedResource } from './config-dump.ts';
import type { LastGood } from './last-good.ts';

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
  /** An accepted resource had fields that we do not know. */
  readonly onUnknownFields: (count: number) => void;
}

export interface AdsConnection {
  dump(): readonly DumpedResource[];
  /** /config_dump then shows it as the resource's error_state, until a good version comes. */
  reportFailure(kind: DumpedResource['kind'], name: string, details: string): void;
  /** Some cluster is no longer warming. */
  onClusterWarm(): void;
  stop(): void;
}

/** Opens the stream. */
export function connectAds(options: AdsConnectionOptions): AdsConnection {
  const { bootstrap, lastGood } = options;
  const { ads, cds, lds } = bootstrap.dynamicResources;
  const open = sourceOpener({
    ...options,
    ads,
    node: nodeOf(bootstrap),
    channelFactory: (service) => channelFactory(service, options.membership),
  });
  const client = new XdsClient({
    ...options,
    hasAds: ads !== null,
    cds,
    lds,
    staticReferences: bootstrap.references,
    compiler: countingCompiler(options),
    open: lastGood?.around(open) ?? open,
  });
  lastGood?.keep(client);
  client.start();
  return {
    stop: () => client.stop(),
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

/** Envoy: an unknown field of a dynamic resource is no error but a counter. */
function countingCompiler({
  bootstrap,
  inputs,
  onUnknownFields,
}: AdsConnectionOptions): ResourceCompiler {
  const compiler = createResourceCompiler(bootstrap, inputs);
  return {
    compile: (kind, bytes, source) => {
      const outcome = compiler.compile(kind, bytes, source);
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

function channelFactory(
  service: GrpcServiceConfig,
  membership: JoinedMesh | null,
): AdsChannelFactory {
  const { maxReceiveMessageBytes: maxResponseBytes } = service;
  const common = maxResponseBytes === null ? {} : { maxResponseBytes };
  if (membership !== null) {
    return grpcChannelFactory({
      ...common,
      target: membership.target,
      credentials: membership.credentials,
      metadata: membership.callMetadata,
      channelOptions: membership.channelOptions,
    });
  }
  const { target } = service;
  return grpcChannelFactory({
    ...common,
    target: grpcTarget(target),
    credentials: channelCredentials(target),
    metadata: () => {
      const metadata = new Metadata();
      for (const { key, value } of service.initialMetadata) metadata.add(key, value);
      return metadata;
    },
    channelOptions: {
      ...(target.authority === '' ? {} : { 'grpc.default_authority': target.authority }),
      ...(target.tls === null || target.tls.sni === ''
        ? {}
        : { 'grpc.ssl_target_name_override': target.tls.sni }),
      ...(target.keepalive === null
        ? {}
        : {
            'grpc.keepalive_time_ms': target.keepalive.intervalMs,
            'grpc.keepalive_timeout_ms': target.keepalive.timeoutMs,
          }),
    },
  });
}

/** Several IP literals make one `ipv4:` target, which grpc-js tries in turn; a name goes to its resolver. */
function grpcTarget({ addresses }: GrpcTarget): string {
  const literals = addresses.filter((address) => /^(\d+\.){3}\d+:\d+$/.test(address));
  if (literals.length === addresses.length) return `ipv4:${addresses.join(',')}`;
  const [first = ''] = addresses;
  return first.startsWith('[') ? `ipv6:${addresses.join(',')}` : `dns:${first}`;
}

function channelCredentials({ tls }: GrpcTarget): ChannelCredentials {
  if (tls === null) return credentials.createInsecure();
  const [source] = tls.certificates;
  const leaf = source?.kind === 'inline' ? source.certificate : null;
  const trustedCaPem = tls.validation.base?.trustedCaPem ?? '';
  return credentials.createSsl(
    trustedCaPem === '' ? null : Buffer.from(trustedCaPem),
    leaf === null ? null : Buffer.from(leaf.privateKeyPem),
    leaf === null ? null : Buffer.from(leaf.certificateChainPem),
  );
}

function nodeOf({ node, message }: BootstrapConfig): NodeProto {
  const { region, zone, subZone } = node.locality;
  // What the user said besides (extensions are ours to name) comes along as it is.
  const said = isRecord(message['node']) ? message['node'] : {};
  return {
    ...said,
    id: node.id,
    cluster: node.cluster,
    // A Struct in plain form is any JSON object; the config room read it from one.
    metadata: node.metadata as NonNullable<NodeProto['metadata']>,
    locality: { region, zone, sub_zone: subZone },
    user_agent_name: 'remora',
    user_agent_version: process.version,
  };
}
