// The buffered writer over a file system that a test holds back, breaks and lets go.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { takeSnapshot } from '../stats/snapshot.ts';
import { HolderStore } from '../stats/store.ts';
import type { SinkFs } from './sink.ts';
import { LogSinks } from './sinks.ts';

/** Calls wait in `queue` until the test runs them. */
class FakeFs implements SinkFs {
  readonly files = new Map<number, { path: string; text: string; isOpen: boolean }>();
  readonly queue: (() => void)[] = [];
  failWrites: string | null = null;
  maxWrite = Number.POSITIVE_INFINITY;
  #next = 10;

  openSync(path: string): number {
    const fd = this.#next++;
    this.files.set(fd, { path, text: '', isOpen: true });
    return fd;
  }

  open(path: string, _flags: string, _mode: number, done: (e: null, fd: number) => void): void {
    this.queue.push(() => done(null, this.openSync(path)));
  }

  write(
    fd: number,
    data: Buffer,
    offset: number,
    length: number,
    done: (error: NodeJS.ErrnoException | null, written: number) => void,
  ): void {
    this.queue.push(() => {
      if (this.failWrites !== null) {
        done(Object.assign(new Error(this.failWrites), { code: this.failWrites }), 0);
        return;
      }
      const written = Math.min(length, this.maxWrite);
      this.files.get(fd)!.text += data.toString('latin1', offset, offset + written);
      done(null, written);
    });
  }

  writeSync(fd: number, data: Buffer): number {
    this.files.get(fd)!.text += data.toString('latin1');
    return data.length;
  }

  close(fd: number, done: (error: null) => void): void {
    this.files.get(fd)!.isOpen = false;
    done(null);
  }

  runAll(): void {
    for (let call = this.queue.shift(); call !== undefined; call = this.queue.shift()) call();
  }

  text(): string[] {
    return [...this.files.values()].map((file) => file.text);
  }
}

function scenario() {
  const fs = new FakeFs();
  const timers = new FakeTimers();
  const store = new HolderStore();
  const sinks = new LogSinks(timers, store, undefined, fs);
  const stat = (name: string): number => {
    const found = takeSnapshot(store).find((entry) => entry.name === `filesystem.${name}`);
    return typeof found?.value === 'number' ? found.value : -1;
  };
  return { fs, timers, sinks, stat, sink: sinks.get('/log') };
}

test('lines wait for the timer, then go in one write', () => {
  const { fs, timers, sink } = scenario();
  sink.append('a\n');
  sink.append('b\n');
  timers.advance(999);
  assert.equal(fs.queue.length, 0);
  timers.advance(1);
  assert.equal(fs.queue.length, 1);
  fs.runAll();
  assert.deepEqual(fs.text(), ['a\nb\n']);
  assert.equal(timers.armedCount(), 0);
});

test('64 KiB are written at once', () => {
  const { fs, sink } = scenario();
  sink.append('x'.repeat(64 * 1024 - 1));
  assert.equal(fs.queue.length, 0);
  sink.append('y');
  assert.equal(fs.queue.length, 1);
});

test('a short write goes on where it stopped, and later lines follow it', () => {
  const { fs, timers, sink } = scenario();
  fs.maxWrite = 3;
  sink.append('abcdefgh\n');
  sink.flush();
  sink.append('next\n');
  fs.runAll();
  timers.advance(1000);
  fs.runAll();
  assert.deepEqual(fs.text(), ['abcdefgh\nnext\n']);
});

test('a sink that does not write drops what exceeds its bound, and says so', () => {
  const { fs, sink, stat } = scenario();
  const line = 'z'.repeat(1024 * 1024);
  for (let i = 0; i < 6; i++) sink.append(line);
  assert.equal(stat('lines_dropped'), 2);
  fs.runAll();
  assert.equal(fs.text()[0]!.length, 4 * 1024 * 1024);
});

test('a failed write is kept and tried again on a new descriptor', () => {
  const { fs, timers, sink, stat } = scenario();
  fs.failWrites = 'ENOSPC';
  sink.append('kept\n');
  sink.flush();
  fs.runAll();
  assert.equal(stat('write_failed'), 1);
  fs.failWrites = null;
  timers.advance(1000);
  fs.runAll();
  assert.deepEqual(fs.text(), ['', 'kept\n']);
});

test('a full pipe is tried again soon, without a failure', () => {
  const { fs, timers, sink, stat } = scenario();
  fs.failWrites = 'EAGAIN';
  sink.append('kept\n');
  sink.flush();
  fs.runAll();
  fs.failWrites = null;
  timers.advance(20);
  fs.runAll();
  assert.deepEqual(fs.text(), ['kept\n']);
  assert.equal(stat('write_failed'), 0);
});

test('reopen closes the moved file and writes to a new one', () => {
  const { fs, timers, sinks, sink } = scenario();
  sink.append('old\n');
  sink.flush();
  fs.runAll();
  sinks.reopen();
  sink.append('new\n');
  timers.advance(1000);
  fs.runAll();
  assert.deepEqual(fs.text(), ['old\n', 'new\n']);
  assert.equal(fs.files.get(10)!.isOpen, false);
});

test('at the end what is pending is written without waiting', () => {
  const { fs, sinks, sink } = scenario();
  sink.append('last\n');
  sinks[Symbol.dispose]();
  assert.deepEqual(fs.text(), ['last\n']);
});

test('two loggers of one path share a sink', () => {
  const { sinks, sink } = scenario();
  assert.equal(sinks.get('/log'), sink);
  assert.notEqual(sinks.get('/other'), sink);
});
