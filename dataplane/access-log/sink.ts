// Where log lines go: a buffered, append-only file (or stdout, stderr). Adding a line is string work only; bytes
// are written by the thread pool, one write at a time. Nobody ever waits for a sink: what the disk cannot take
// within a bound is dropped and counted.
//
//   append() -> pending text --64 KiB or 1 s--> one write in flight --> file
//
// Envoy flushes every 10 s; one second is easier on whoever looks at a log, and costs one write per second.

import * as nodeFs from 'node:fs';
import type { Logger } from '../../common/logger.ts';
import type { Timer, TimerService } from '../../common/timer.ts';
import type { LogSink } from '../api/factory.ts';
import type { StatField } from '../api/stats.ts';

/** Flush when so much is pending. */
const FLUSH_BYTES = 64 * 1024;
/** Flush at the latest so long after the first pending line. */
const FLUSH_INTERVAL_MS = 1000;
/** Lines beyond are dropped while the file does not take them. */
const MAX_PENDING_BYTES = 4 * 1024 * 1024;
const FILE_MODE = 0o644;
/** Wait before trying again what failed. */
const RETRY_MS = 1000;
/** Wait for room in a full pipe. */
const FULL_PIPE_RETRY_MS = 20;

type Callback<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

/** The part of node:fs that a sink uses; a test gives its own. */
export interface SinkFs {
  open(path: string, flags: string, mode: number, done: Callback<number>): void;
  write(fd: number, data: Buffer, offset: number, length: number, done: Callback<number>): void;
  close(fd: number, done: (error: NodeJS.ErrnoException | null) => void): void;
  writeSync(fd: number, data: Buffer): number;
  openSync(path: string, flags: string, mode: number): number;
}

const realFs: SinkFs = {
  open: (path, flags, mode, done) => nodeFs.open(path, flags, mode, done),
  write: (fd, data, offset, length, done) =>
    nodeFs.write(fd, data, offset, length, null, (error, written) => done(error, written)),
  close: (fd, done) => nodeFs.close(fd, done),
  writeSync: (fd, data) => nodeFs.writeSync(fd, data),
  openSync: (path, flags, mode) => nodeFs.openSync(path, flags, mode),
};

/** Envoy's `filesystem.*` stats; those after the blank line are ours. */
export class FilesystemStats {
  static readonly stats: readonly StatField[] = [
    { field: 'writeBuffered', name: 'write_buffered', kind: 'counter' },
    { field: 'writeCompleted', name: 'write_completed', kind: 'counter' },
    { field: 'writeFailed', name: 'write_failed', kind: 'counter' },
    { field: 'flushedByTimer', name: 'flushed_by_timer', kind: 'counter' },
    { field: 'reopenFailed', name: 'reopen_failed', kind: 'counter' },
    { field: 'writeTotalBuffered', name: 'write_total_buffered', kind: 'gauge' },

    { field: 'linesDropped', name: 'lines_dropped', kind: 'counter' },
  ];

  writeBuffered = 0;
  writeCompleted = 0;
  writeFailed = 0;
  flushedByTimer = 0;
  reopenFailed = 0;
  /** Bytes that wait now. */
  writeTotalBuffered = 0;
  linesDropped = 0;
}

/** What sinks are made with. */
export interface SinkServices {
  readonly timers: TimerService;
  readonly logger: Logger;
  readonly stats: FilesystemStats;
  /** Default: the real one. */
  readonly fs?: SinkFs;
}

/** One open file. Made by LogSinks (sinks.ts), shared by all loggers that write there. */
export class BufferedSink implements LogSink {
  readonly #path: string;
  readonly #services: SinkServices;
  readonly #fs: SinkFs;
  readonly #timer: Timer;
  #pending = '';
  /** Being written: bytes from `#offset` on are still to go. */
  #current: Buffer | null = null;
  #offset = 0;
  #fd: number;
  readonly #isStream: boolean;
  #mustReopen = false;
  /** A call into the file system has not come back. */
  #isBusy = false;
  #isFailing = false;

  /**
   * `/dev/stdout` and `/dev/stderr` are the process's own streams, never opened or closed; any other path is
   * opened for append now, and what the file system says of it is thrown.
   */
  constructor(path: string, services: SinkServices) {
    const stream = path === '/dev/stdout' ? 1 : path === '/dev/stderr' ? 2 : null;
    this.#path = path;
    this.#services = services;
    this.#fs = services.fs ?? realFs;
    this.#isStream = stream !== null;
    this.#fd = stream ?? this.#fs.openSync(path, 'a', FILE_MODE);
    this.#timer = services.timers.createTimer(onFlushTimer, this);
  }

  /** Adds a whole line (or several), a byte string. Never blocks, never throws. */
  append(line: string): void {
    const { stats } = this.#services;
    const waiting = this.#pending.length + (this.#current?.length ?? 0);
    if (waiting + line.length > MAX_PENDING_BYTES) {
      stats.linesDropped++;
      return;
    }
    this.#pending += line;
    stats.writeBuffered++;
    stats.writeTotalBuffered += line.length;
    if (this.#isBusy || this.#isFailing) return;
    if (this.#pending.length >= FLUSH_BYTES) this.flush();
    else if (!this.#timer.isArmed()) this.#timer.start(FLUSH_INTERVAL_MS);
  }

  /** Starts writing what is pending, unless a write is under way (which then goes on by itself). */
  flush(): void {
    if (this.#isBusy) return;
    this.#timer.stop();
    if (this.#mustReopen && !this.#isStream && this.#fd !== -1) {
      this.#mustReopen = false;
      this.#fs.close(this.#fd, ignoreCloseError);
      this.#fd = -1;
    }
    if (this.#current === null) {
      if (this.#pending === '') return;
      this.#current = Buffer.from(this.#pending, 'latin1');
      this.#offset = 0;
      this.#pending = '';
    }
    this.#isBusy = true;
    if (this.#fd === -1) this.#open();
    else this.#write();
  }

  /** The file was moved away (log rotation): the next write goes to a new one of the same path. */
  reopen(): void {
    this.#mustReopen = true;
    this.flush();
  }

  /** At exit: writes what is left and waits for it. Errors are counted, not thrown. */
  flushSync(): void {
    this.#timer.stop();
    const { stats } = this.#services;
    // A write in flight is the thread pool's and finishes there; only what follows it is ours.
    const rest = this.#isBusy ? [] : [this.#current?.subarray(this.#offset) ?? Buffer.alloc(0)];
    let data = Buffer.concat([...rest, Buffer.from(this.#pending, 'latin1')]);
    this.#pending = '';
    if (!this.#isBusy) this.#current = null;
    if (data.length === 0) return;
    stats.writeTotalBuffered -= data.length;
    try {
      if (this.#fd === -1) this.#fd = this.#fs.openSync(this.#path, 'a', FILE_MODE);
      while (data.length > 0) data = data.subarray(this.#fs.writeSync(this.#fd, data));
      stats.writeCompleted++;
    } catch {
      // The process is going away; there is nobody left to tell but the counter.
      stats.writeFailed++;
    }
  }

  onTimer(): void {
    this.#isFailing = false;
    if (this.#pending !== '' || this.#current !== null) this.#services.stats.flushedByTimer++;
    this.flush();
  }

  #open(): void {
    this.#fs.open(this.#path, 'a', FILE_MODE, (error, fd) => {
      if (error !== null) {
        this.#services.stats.reopenFailed++;
        this.#onFailure(error);
        return;
      }
      this.#fd = fd;
      this.#write();
    });
  }

  #write(): void {
    const current = this.#current!;
    const length = current.length - this.#offset;
    this.#fs.write(this.#fd, current, this.#offset, length, (error, written) => {
      const { stats } = this.#services;
      if (error !== null) {
        if (error.code === 'EAGAIN') {
          // A pipe that somebody else made non-blocking is full.
          this.#isBusy = false;
          this.#isFailing = true;
          this.#timer.start(FULL_PIPE_RETRY_MS);
          return;
        }
        stats.writeFailed++;
        this.#onFailure(error);
        return;
      }
      stats.writeTotalBuffered -= written;
      this.#offset += written;
      if (this.#offset < current.length) {
        this.#write();
        return;
      }
      stats.writeCompleted++;
      this.#current = null;
      this.#isBusy = false;
      if (this.#pending.length >= FLUSH_BYTES || this.#mustReopen) this.flush();
      else if (this.#pending !== '') this.#timer.start(FLUSH_INTERVAL_MS);
    });
  }

  /** Keeps what is left and tries again later; append() drops what exceeds the bound. */
  #onFailure(error: NodeJS.ErrnoException): void {
    this.#isBusy = false;
    if (!this.#isFailing) {
      this.#services.logger.warn(
        { path: this.#path, code: error.code },
        'access log cannot be written',
      );
    }
    this.#isFailing = true;
    if (!this.#isStream) this.#mustReopen = this.#fd !== -1;
    this.#timer.start(RETRY_MS);
  }
}

function onFlushTimer(sink: BufferedSink): void {
  sink.onTimer();
}

/** Nothing can be done about a close that fails; the descriptor is gone either way. */
function ignoreCloseError(): void {}
