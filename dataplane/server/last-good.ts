// Last good resources on disk, put between the xDS client and its sources: bootstrap extension LastGood, on with --join.

import type { Clock } from '../../common/clock.ts';
import type { Logger } from '../../common/logger.ts';
import type { TimerService } from '../../common/timer.ts';
import type { BootstrapConfig, LastGoodConfig } from '../api/config/bootstrap.ts';
import type { ConfigSource } from '../api/config/config-source.ts';
import type { StatsStore } from '../api/stats.ts';
import type { JoinedMesh } from '../join/join-client.ts';
import { LastGoodKeeper } from '../xds/last-good/keeper.ts';
import { LastGoodSource } from '../xds/last-good/last-good-source.ts';
import type { SavedResource, SnapshotIdentity } from '../xds/last-good/snapshot.ts';
import type { SourceOpener } from '../xds/open-source.ts';
import type { XdsClient } from '../xds/xds-client.ts';

export interface LastGoodParts {
  readonly bootstrap: BootstrapConfig;
  readonly membership: JoinedMesh | null;
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly stats: StatsStore;
}

export class LastGood {
  readonly #parts: LastGoodParts;
  readonly #graceMs: number;
  readonly #keeper: LastGoodKeeper;
  #saved: readonly SavedResource[] = [];
  #client: XdsClient | null = null;
  /** By key. */
  readonly #sources = new Map<string, LastGoodSource>();

  private constructor(config: LastGoodConfig, parts: LastGoodParts) {
    this.#parts = parts;
    // Who could not even join need not wait once more.
    this.#graceMs = parts.membership?.isResumed === true ? 0 : config.graceMs;
    this.#keeper = new LastGoodKeeper({
      ...parts,
      config,
      identity: identityOf(parts),
      collect: () => this.#collect(),
    });
  }

  /** Reads what is on disk; null = the bootstrap wants nothing kept. */
  static async open(parts: LastGoodParts): Promise<LastGood | null> {
    const { lastGood } = parts.bootstrap;
    if (lastGood === null) return null;
    const made = new LastGood(lastGood, parts);
    made.#saved = await made.#keeper.load();
    return made;
  }

  /** Files are on disk already; every other source gets what was kept of it. */
  around(open: SourceOpener): SourceOpener {
    return (source, owner, stats) => {
      if (!isKept(source)) return open(source, owner, stats);
      const { logger, timers } = this.#parts;
      // A source that nobody wanted for a while may have told other things since the start.
      const isFirst = !this.#sources.has(source.key);
      const around = new LastGoodSource(
        {
          saved: isFirst ? this.#saved.filter((one) => one.source === source.key) : [],
          graceMs: this.#graceMs,
          isDelta: this.#isDelta(source),
          timers,
          onTold: () => this.#keeper.changed(),
          onRestored: (count) => {
            this.#keeper.countRestored(count);
            logger.warn({ count }, 'the control plane does not answer: using what was good last');
          },
        },
        owner,
        (inner) => open(source, inner, stats),
      );
      this.#sources.set(source.key, around);
      return around;
    };
  }

  /** Whose resources are kept from now on. */
  keep(client: XdsClient): void {
    this.#client = client;
  }

  /** Writes what is not written yet. */
  close(): Promise<void> {
    return this.#keeper.close();
  }

  #collect(): readonly SavedResource[] | null {
    // Half a mesh in the place of a whole one would be worse than an older one.
    if (this.#client?.initialized !== true) return null;
    return this.#client.dump().flatMap(({ compiled, source, ...entry }) => {
      const { kind, name, version, updatedAtMs, bytes } = entry;
      if (compiled === null || !isKept(source)) return [];
      if (this.#sources.get(source.key)?.isFleeting(kind, name) === true) return [];
      return [{ kind, name, version, updatedAtMs, bytes, source: source.key }];
    });
  }

  #isDelta(source: ConfigSource): boolean {
    if (source.kind === 'grpc') return source.api.protocol === 'DELTA_GRPC';
    const { ads } = this.#parts.bootstrap.dynamicResources;
    return source.kind === 'ads' && ads?.protocol === 'DELTA_GRPC';
  }
}

function isKept(source: ConfigSource): boolean {
  return source.kind !== 'path';
}

function identityOf({ bootstrap, membership }: LastGoodParts): SnapshotIdentity {
  const { node, dynamicResources } = bootstrap;
  const targets = (dynamicResources.ads?.services ?? []).map(({ target }) => target.addresses);
  return {
    nodeId: node.id,
    nodeCluster: node.cluster,
    // A mesh is its root, wherever its control plane is.
    controlPlane: membership?.caFingerprint ?? JSON.stringify(targets),
  };
}
