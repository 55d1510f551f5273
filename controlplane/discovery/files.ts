// Mesh documents from a directory or a file, and again whenever they change. Watches the directory (also
// for a single file: editors and ConfigMaps replace files) and re-reads every few seconds besides, because a
// watch may miss events. Must not decide what is valid; it reads and reports.

import { createHash } from 'node:crypto';
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { errorText } from '../../common/coded-error.ts';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import { type DocumentSet, readDocuments } from '../model/documents.ts';
import type { Problem } from '../model/problem.ts';

const SETTLE_MS = 100;
const RELIST_MS = 5000;

export interface FileSnapshot extends DocumentSet {
  /** Of names and contents: equal = nothing changed. */
  readonly hash: string;
}

/** Reads every .yaml, .yml and .json of a directory (not below it, no dot files), or one file. */
export function readMeshFiles(path: string): FileSnapshot {
  const hash = createHash('sha256');
  const objects: DocumentSet['objects'][number][] = [];
  const problems: Problem[] = [];
  let files: string[];
  try {
    files = statSync(path).isDirectory() ? documentFiles(path) : [path];
  } catch (thrown) {
    return { objects, problems: [unreadable(path, thrown)], hash: '' };
  }
  for (const file of files) {
    try {
      const text = readFileSync(file, 'utf8');
      hash.update(`${file}\0${text}\0`);
      const set = readDocuments(text, file);
      objects.push(...set.objects);
      problems.push(...set.problems);
    } catch (thrown) {
      problems.push(unreadable(file, thrown));
    }
  }
  if (objects.length === 0 && problems.length === 0) {
    // More likely a half-copied directory than a mesh that should stop: the last good state stays.
    problems.push({
      ...unreadable(path, ''),
      message: 'no mesh documents in there (*.yaml, *.yml, *.json)',
    });
  }
  return { objects, problems, hash: hash.digest('hex') };
}

function documentFiles(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && /^[^.].*\.(ya?ml|json)$/.test(entry.name))
    .map((entry) => join(directory, entry.name))
    .sort();
}

function unreadable(file: string, thrown: unknown): Problem {
  return {
    file,
    line: null,
    column: null,
    object: '',
    path: '',
    message: `cannot be read: ${errorText(thrown)}`,
  };
}

export interface FileSourceOptions {
  readonly path: string;
  readonly timers: TimerService;
  readonly logger: Logger;
  /** Called with each content that differs from the one before. */
  readonly onChange: (snapshot: FileSnapshot) => void;
}

/** Starts with what `initial` already read; close() stops watching. */
export class FileSource implements Disposable {
  readonly #options: FileSourceOptions;
  readonly #settle: Timer;
  readonly #relist: Timer;
  #watcher: FSWatcher | null = null;
  #hash: string;

  constructor(options: FileSourceOptions, initial: FileSnapshot) {
    this.#options = options;
    this.#hash = initial.hash;
    this.#settle = options.timers.createTimer(() => this.#check(), null);
    this.#relist = options.timers.createTimer(() => {
      if (this.#watcher === null) this.#watch();
      this.#check();
      this.#relist.start(RELIST_MS);
    }, null);
    this.#watch();
    this.#relist.start(RELIST_MS);
  }

  #watch(): void {
    const { path, logger } = this.#options;
    try {
      const isDirectory = statSync(path).isDirectory();
      const only = isDirectory ? null : basename(path);
      const watcher = watch(
        isDirectory ? path : dirname(path),
        { persistent: false },
        (_event, name) => {
          if (only === null || name === null || name === only || name.startsWith('..')) {
            this.#settle.start(SETTLE_MS);
          }
        },
      );
      watcher.on('error', (error) => {
        logger.warn({ path, error: error.message }, 'file watch failed; re-reading every 5 s');
        watcher.close();
        this.#watcher = null;
      });
      this.#watcher = watcher;
    } catch (thrown) {
      logger.debug({ path, error: errorText(thrown) }, 'cannot watch; re-reading every 5 s');
    }
  }

  #check(): void {
    const snapshot = readMeshFiles(this.#options.path);
    if (snapshot.hash === this.#hash) return;
    this.#hash = snapshot.hash;
    this.#options.onChange(snapshot);
  }

  [Symbol.dispose](): void {
    this.#settle.stop();
    this.#relist.stop();
    this.#watcher?.close();
    this.#watcher = null;
  }
}
