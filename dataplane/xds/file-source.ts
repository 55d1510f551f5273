// A source that is a file: path_config_source, with a DiscoveryResponse in JSON, YAML or protobuf (by extension, as in
// Envoy). Read when something first wants it, and when a file is moved to its path: a file that is written in place may
// be half a file. With watched_directory anything that is moved into that directory tells that the file may be new, as
// Kubernetes swaps a link there. The last good content stays.

import { basename, dirname } from 'node:path';
import { parse } from 'yaml';
import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import { err, ok, type Result } from '../../common/result.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { PathSource } from '../api/config/config-source.ts';
import { type ResourceKind, xdsTypes } from '../api/resource-compiler.ts';
import { responseFromBytes, responseFromJson, type SourceResponse } from './json-response.ts';
import type { FileWatch, ResourceFiles } from './resource-files.ts';
import type { ResourceSource, SourceOwner } from './resource-source.ts';
import { Subscription } from './subscription.ts';

/** A bound on what a few lines of YAML may expand to. */
const MAX_ALIAS_COUNT = 200;

export interface FileSourceOptions {
  readonly source: PathSource;
  readonly files: ResourceFiles;
  readonly timers: TimerService;
  readonly logger: Logger;
}

export class FileSource implements ResourceSource {
  readonly #options: FileSourceOptions;
  readonly #owner: SourceOwner;
  readonly #wanted = new Map<ResourceKind, Subscription>();
  readonly #pollTimer: Timer;
  #watch: FileWatch | null = null;
  #isRunning = false;
  /** Of the file that was last read. */
  #identity: string | null = null;

  constructor(options: FileSourceOptions, owner: SourceOwner) {
    this.#options = options;
    this.#owner = owner;
    this.#pollTimer = options.timers.createTimer(poll, this);
  }

  start(): void {
    this.#isRunning = true;
    this.#follow();
    for (const [kind, wanted] of this.#wanted) if (wanted.isActive) this.#read([kind]);
  }

  stop(): void {
    this.#isRunning = false;
    this.#follow();
  }

  subscribeToAll(kind: ResourceKind): void {
    if (!this.#of(kind).subscribeToAll() || !this.#isRunning) return;
    this.#follow();
    this.#read([kind]);
  }

  unsubscribeFromAll(kind: ResourceKind): void {
    this.#of(kind).unsubscribeFromAll();
    this.#follow();
  }

  changeNames(kind: ResourceKind, added: readonly string[], removed: readonly string[]): void {
    const news = this.#of(kind).change(added, removed);
    this.#follow();
    if (news.added.length > 0 && this.#isRunning) this.#read([kind]);
  }

  /** Of the watch: reads what is new there. */
  reload(): void {
    const { source, files } = this.#options;
    const identity = files.identity(source.path);
    // Gone for now, or what happened beside it does not concern it.
    if (!this.#isRunning || identity === null || identity === this.#identity) return;
    this.#read([...this.#wanted].flatMap(([kind, { isActive }]) => (isActive ? [kind] : [])));
  }

  /** Of the poll timer. */
  poll(): void {
    this.#pollTimer.start(this.#options.source.pollIntervalMs);
    this.reload();
  }

  /** Watches and polls for as long as anybody wants it: listeners come and go, and each may name another file. */
  #follow(): void {
    const isWanted = [...this.#wanted.values()].some(({ isActive }) => isActive);
    if (this.#isRunning && isWanted) {
      this.#watch ??= this.#openWatch();
      const { pollIntervalMs } = this.#options.source;
      if (pollIntervalMs > 0 && !this.#pollTimer.isArmed()) this.#pollTimer.start(pollIntervalMs);
      return;
    }
    this.#pollTimer.stop();
    this.#watch?.close();
    this.#watch = null;
  }

  #openWatch(): FileWatch | null {
    const { source, files, logger } = this.#options;
    const { path, watchedDirectory, watchModify } = source;
    const directory = watchedDirectory === '' ? dirname(path) : watchedDirectory;
    const file = watchedDirectory === '' ? basename(path) : null;
    try {
      return files.watch(directory, (isMove, name) => {
        const concernsIt = file === null || name === null || name === file;
        if (concernsIt && (isMove || watchModify)) this.reload();
      });
    } catch (thrown) {
      logger.warn({ directory, error: errorText(thrown) }, 'cannot be watched: xDS file');
      return null;
    }
  }

  #read(kinds: readonly ResourceKind[]): void {
    const { source, files, logger } = this.#options;
    const { path } = source;
    this.#identity = files.identity(path);
    const response = readResponse(path, files);
    for (const kind of kinds) {
      this.#owner.onRequest(kind);
      if (!response.ok) this.#owner.onFailure(kind);
    }
    if (!response.ok) {
      const error = `${path}: ${response.errors}`;
      logger.warn({ error }, 'xDS file cannot be used; the last good content stays');
      return;
    }
    for (const warning of response.value.warnings) logger.warn({ path, warning }, 'xDS file');
    for (const kind of kinds) this.#deliver(kind, response.value);
  }

  #deliver(kind: ResourceKind, response: SourceResponse): void {
    const { source, logger } = this.#options;
    const { isFullState } = xdsTypes[kind];
    const problems = this.#owner.receive({
      ...response,
      kind,
      removed: [],
      isFullState,
      isWhole: true,
    });
    if (problems !== null) logger.warn({ path: source.path, problems }, 'xDS file rejected');
    this.#owner.settle();
  }

  #of(kind: ResourceKind): Subscription {
    let wanted = this.#wanted.get(kind);
    if (wanted === undefined) {
      wanted = new Subscription();
      this.#wanted.set(kind, wanted);
    }
    return wanted;
  }
}

function readResponse(path: string, files: ResourceFiles): Result<SourceResponse, string> {
  try {
    const bytes = files.read(path);
    if (path.endsWith('.pb')) return ok(responseFromBytes(bytes));
    const text = bytes.toString('utf8');
    const value: unknown = path.endsWith('.json')
      ? JSON.parse(text)
      : parse(text, { maxAliasCount: MAX_ALIAS_COUNT, merge: true });
    return responseFromJson(value);
  } catch (thrown) {
    return err(errorText(thrown));
  }
}

function poll(source: FileSource): void {
  source.poll();
}
