// Keeps the last accepted resources on disk and gives them back after a restart. server/ makes one when the bootstrap
// asks for it and tells it of each accepted update; it must never hold up or break the sidecar: what goes wrong here is
// a line in the log and a counter.
//
//   clean --changed()--> waiting (holdoff) --> writing --> clean
//                          ^                      `--changed() meanwhile--> waiting, longer after a slow write
//                          `----------------------'

import { createHash } from 'node:crypto';
import type { Clock } from '../../../common/clock.ts';
import { errorText } from '../../../common/coded-error.ts';
import type { Logger } from '../../../common/logger.ts';
import { SealedDirectory } from '../../../common/sealed-file.ts';
import type { Timer, TimerService } from '../../../common/timer.ts';
import type { LastGoodConfig } from '../../api/config/bootstrap.ts';
import type { StatField, StatScope, StatsStore } from '../../api/stats.ts';
import {
  decodeSnapshot,
  encodeSnapshot,
  isSameIdentity,
  type SavedResource,
  type SnapshotIdentity,
} from './snapshot.ts';

const scope: StatScope = { prefix: 'last_good', promPrefix: 'envoy_last_good', labels: {} };
/** So much longer than a write is the pause behind it. */
const PAUSE_PER_WRITE = 20;

class LastGoodStats {
  static readonly stats: readonly StatField[] = [
    { field: 'loaded', name: 'loaded', kind: 'counter' },
    { field: 'loadRejected', name: 'load_rejected', kind: 'counter' },
    { field: 'keyReplaced', name: 'key_replaced', kind: 'counter' },
    { field: 'restored', name: 'restored_resources', kind: 'counter' },
    { field: 'written', name: 'written', kind: 'counter' },
    { field: 'writeFailure', name: 'write_failure', kind: 'counter' },
    { field: 'tooLarge', name: 'too_large', kind: 'counter' },
    { field: 'bytes', name: 'bytes', kind: 'gauge' },
  ];

  /** Files that were found good. */
  loaded = 0;
  /** Files that were there and of no use. */
  loadRejected = 0;
  keyReplaced = 0;
  /** Resources that were used because no server answered. */
  restored = 0;
  written = 0;
  writeFailure = 0;
  /** Not written: more than max_bytes. */
  tooLarge = 0;
  /** Content of the file as it was written or read last. */
  bytes = 0;
}

export interface LastGoodOptions {
  readonly config: LastGoodConfig;
  readonly identity: SnapshotIdentity;
  readonly clock: Clock;
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly stats: StatsStore;
  /** What is to be kept, as it is now; null = it is not complete, so that what is on disk is better. */
  readonly collect: () => readonly SavedResource[] | null;
}

/** See the file head. */
export class LastGoodKeeper {
  readonly #options: LastGoodOptions;
  readonly #stats = new LastGoodStats();
  readonly #name: string;
  readonly #timer: Timer;
  #directory: SealedDirectory | null = null;
  #isDirty = false;
  #writing: Promise<void> | null = null;
  #pauseMs = 0;
  #isClosed = false;

  constructor(options: LastGoodOptions) {
    this.#options = options;
    this.#name = fileName(options.identity);
    this.#timer = options.timers.createTimer(startWriting, this);
    options.stats.add(scope, this.#stats);
  }

  /** What is on disk; empty when there is nothing of use. Call it once, first. Never rejects. */
  async load(): Promise<readonly SavedResource[]> {
    const { config, identity, clock, logger } = this.#options;
    try {
      this.#directory = await SealedDirectory.open(config.stateDirectory, (reason) => {
        this.#stats.keyReplaced++;
        logger.error({ reason }, 'the key of the state directory was replaced');
      });
    } catch (thrown) {
      this.#stats.writeFailure++;
      const directory = config.stateDirectory;
      const error = errorText(thrown);
      logger.error({ directory, error }, 'last good resources cannot be kept on disk');
      return [];
    }
    const content = await this.#directory.read(this.#name, config.maxBytes);
    if (!content.ok) {
      return content.errors === 'absent' ? [] : this.#reject(content.errors.reason);
    }
    const snapshot = decodeSnapshot(content.value);
    if (!snapshot.ok) return this.#reject(snapshot.errors);
    const { savedAtMs, resources } = snapshot.value;
    if (!isSameIdentity(snapshot.value.identity, identity)) {
      return this.#reject('it is of another node or control plane');
    }
    const ageMs = clock.wallMs() - savedAtMs;
    if (ageMs > config.maxAgeMs) {
      return this.#reject(`it is ${Math.round(ageMs / 1000)} s old`);
    }
    this.#stats.loaded++;
    this.#stats.bytes = content.value.length;
    return resources;
  }

  /** Resources that load() gave back were put to use. */
  countRestored(count: number): void {
    this.#stats.restored += count;
  }

  /** Something was accepted or removed. */
  changed(): void {
    this.#isDirty = true;
    if (this.#directory === null || this.#writing !== null || this.#isClosed) return;
    if (this.#timer.isArmed()) return;
    this.#timer.start(Math.max(this.#options.config.holdoffMs, this.#pauseMs));
  }

  /** Timer. */
  write(): void {
    if (this.#writing === null) {
      this.#writing = this.#write().finally(() => {
        this.#writing = null;
        if (this.#isDirty) this.changed();
      });
    }
  }

  /** Writes what is not written yet; nothing comes behind it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer.stop();
    await this.#writing;
    if (this.#isDirty && this.#directory !== null) await this.#write();
  }

  async #write(): Promise<void> {
    const { config, identity, clock, logger, collect } = this.#options;
    this.#isDirty = false;
    const resources = collect();
    if (resources === null || this.#directory === null) return;
    const startMs = clock.nowMs();
    const content = encodeSnapshot({ identity, savedAtMs: clock.wallMs(), resources });
    if (content.length > config.maxBytes) {
      this.#stats.tooLarge++;
      const { length: bytes } = content;
      logger.error({ bytes, maxBytes: config.maxBytes }, 'last good resources are not kept');
      return;
    }
    try {
      await this.#directory.write(this.#name, content);
      this.#stats.written++;
      this.#stats.bytes = content.length;
    } catch (thrown) {
      this.#stats.writeFailure++;
      logger.error({ error: errorText(thrown) }, 'last good resources cannot be written');
    }
    this.#pauseMs = PAUSE_PER_WRITE * (clock.nowMs() - startMs);
  }

  #reject(reason: string): readonly SavedResource[] {
    this.#stats.loadRejected++;
    this.#options.logger.error({ reason }, 'the last good resources on disk are of no use');
    return [];
  }
}

function startWriting(keeper: LastGoodKeeper): void {
  keeper.write();
}

/** Several sidecars may share a directory. */
function fileName({ nodeId, nodeCluster }: SnapshotIdentity): string {
  const node = JSON.stringify([nodeId, nodeCluster]);
  return `xds-${createHash('sha256').update(node).digest('hex').slice(0, 16)}`;
}
