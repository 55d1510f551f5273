import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { ConnectionCloseType, ConnectionEvent } from '../api/connection.ts';
import { SocketConnection, type SocketConnectionOptions } from './connection.ts';
import { ReadSlab, sharedReadSlab } from './read-slab.ts';

/** Both ends of a real loopback connection: ours and the bare socket of the peer. */
class Pair {
  readonly connection: SocketConnection;
  readonly peer: net.Socket;
  readonly timers = new FakeTimers();
  readonly events: ConnectionEvent[] = [];
  readonly traffic = { rxBytesTotal: 0, txBytesTotal: 0 };
  received = '';
  ends = 0;
  above = 0;
  below = 0;
  #wake: (() => void)[] = [];

  constructor(socket: net.Socket, peer: net.Socket, options: Partial<SocketConnectionOptions>) {
    this.peer = peer;
    this.connection = new SocketConnection(socket, {
      id: 7,
      timers: this.timers,
      traffic: this.traffic,
      ...options,
    });
    this.connection.addConnectionCallbacks(this);
  }

  onData(data: Buffer, endStream: boolean): void {
    this.received += data.toString('latin1');
    if (endStream) this.ends++;
    this.#changed();
  }

  onEvent(event: ConnectionEvent): void {
    this.events.push(event);
    this.#changed();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.above++;
    this.#changed();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.below++;
    this.#changed();
  }

  /** Resolves when `condition` holds; asked again at every callback. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  #changed(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}

const open: (net.Socket | net.Server)[] = [];

afterEach(() => {
  for (const thing of open.splice(0)) {
    if (thing instanceof net.Server) thing.close();
    else thing.destroy();
  }
});

async function pair(options: Partial<SocketConnectionOptions> = {}): Promise<Pair> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const peer = net.connect({
    port: (server.address() as net.AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  peer.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  if (peer.connecting) await once(peer, 'connect');
  open.push(server, peer, socket);
  return new Pair(socket, peer, options);
}

function read(peer: net.Socket): { text: () => string; ended: Promise<unknown> } {
  let text = '';
  peer.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  return { text: () => text, ended: once(peer, 'close') };
}

test('what the peer sends arrives and is counted, what we write in one turn goes out together', async () => {
  const { connection, peer, traffic, ...rest } = await pair();
  assert.equal(rest.received, '');
  const chunks: string[] = [];
  peer.on('data', (chunk: Buffer) => chunks.push(chunk.toString('latin1')));
  connection.write('HTTP/1.1 200 OK\r\n');
  connection.write('a: \xe9\r\n\r\n');
  connection.write(Buffer.from('body'));
  connection.write(Buffer.alloc(5000, 'x'));
  connection.write('tail');
  assert.equal(connection.writeBufferedBytes(), 17 + 8 + 4 + 5000 + 4);
  await once(peer, 'data');
  assert.deepEqual(chunks, [`HTTP/1.1 200 OK\r\na: \xe9\r\n\r\nbody${'x'.repeat(5000)}tail`]);
  assert.equal(connection.bytesSent, 5033);
  assert.equal(traffic.txBytesTotal, 5033);
});

test('addresses are those of the socket', async () => {
  const { connection, peer } = await pair();
  assert.deepEqual(connection.remoteAddress, { ip: '127.0.0.1', port: peer.localPort });
  assert.deepEqual(connection.localAddress, { ip: '127.0.0.1', port: peer.remotePort });
});

test('readDisable is counted and holds back bytes until all are given back', async () => {
  const it = await pair();
  it.connection.readDisable(true);
  it.connection.readDisable(true);
  it.connection.setReadSink(it);
  it.peer.write('abc');
  it.connection.readDisable(false);
  // A second connection's round trip shows that the first had its chance.
  const other = await pair();
  other.connection.setReadSink(other);
  other.peer.write('x');
  await other.until(() => other.received === 'x');
  assert.equal(it.received, '');
  it.connection.readDisable(false);
  await it.until(() => it.received === 'abc');
  assert.throws(() => it.connection.readDisable(false));
  assert.equal(it.traffic.rxBytesTotal, 3);
});

test("the peer's FIN is one RemoteClose", async () => {
  const it = await pair();
  it.connection.setReadSink(it);
  it.peer.end('bye');
  await it.until(() => it.events.length > 0);
  assert.equal(it.received, 'bye');
  assert.deepEqual(it.events, [ConnectionEvent.RemoteClose]);
  assert.equal(it.connection.isOpen(), false);
  assert.equal(it.connection.wasReset, false);
  it.connection.close(ConnectionCloseType.NoFlush);
  assert.equal(it.events.length, 1);
});

test("the peer's RST is one RemoteClose and is told apart from a FIN", async () => {
  const it = await pair();
  it.connection.setReadSink(it);
  it.peer.resetAndDestroy();
  await it.until(() => it.events.length > 0);
  assert.deepEqual(it.events, [ConnectionEvent.RemoteClose]);
  assert.equal(it.connection.wasReset, true);
});

test('with half-close on a FIN is an end of data and we may go on writing', async () => {
  const it = await pair();
  it.connection.enableHalfClose(true);
  it.connection.setReadSink(it);
  const peer = read(it.peer);
  it.peer.end('question');
  await it.until(() => it.ends === 1);
  assert.equal(it.received, 'question');
  assert.deepEqual(it.events, []);
  it.connection.write('answer');
  it.connection.endWrite();
  await peer.ended;
  assert.equal(peer.text(), 'answer');
  await it.until(() => it.events.length > 0);
  assert.equal(it.events.length, 1);
});

test('a half-close of ours reaches the peer while we still read', async () => {
  const it = await pair();
  it.connection.enableHalfClose(true);
  it.connection.setReadSink(it);
  it.connection.write('question');
  it.connection.endWrite();
  it.connection.write('nothing more');
  it.peer.resume();
  await once(it.peer, 'end');
  it.peer.end('answer');
  await it.until(() => it.events.length > 0);
  assert.equal(it.received, 'answer');
  assert.equal(it.ends, 1);
  assert.deepEqual(it.events, [ConnectionEvent.RemoteClose]);
});

test('close(NoFlush) drops what is buffered and raises LocalClose before it returns', async () => {
  const it = await pair();
  const peer = read(it.peer);
  it.connection.write('never');
  it.connection.close(ConnectionCloseType.NoFlush);
  assert.deepEqual(it.events, [ConnectionEvent.LocalClose]);
  it.connection.write('never');
  it.peer.end();
  await peer.ended;
  assert.equal(peer.text(), '');
});

test('close(FlushWrite) sends everything first', async () => {
  const it = await pair();
  const peer = read(it.peer);
  it.connection.write('last words');
  it.connection.close(ConnectionCloseType.FlushWrite);
  assert.equal(it.connection.isOpen(), false);
  await it.until(() => it.events.length > 0);
  assert.deepEqual(it.events, [ConnectionEvent.LocalClose]);
  it.peer.end();
  await peer.ended;
  assert.equal(peer.text(), 'last words');
});

test('close(FlushWriteAndDelay) waits for the peer and drops what it still sends', async () => {
  const it = await pair();
  it.connection.setReadSink(it);
  it.connection.write('error');
  it.connection.close(ConnectionCloseType.FlushWriteAndDelay);
  it.peer.resume();
  await once(it.peer, 'end');
  assert.deepEqual(it.events, []);
  it.peer.end('unread rest');
  await it.until(() => it.events.length > 0);
  assert.deepEqual(it.events, [ConnectionEvent.RemoteClose]);
  assert.equal(it.received, '');
  assert.equal(it.timers.armedCount(), 0);
});

test('close(FlushWriteAndDelay) gives up on a silent peer after the delayed close timeout', async () => {
  const it = await pair({ delayedCloseTimeoutMs: 1000 });
  it.connection.setReadSink(it);
  it.connection.close(ConnectionCloseType.FlushWriteAndDelay);
  it.peer.resume();
  await once(it.peer, 'end');
  it.timers.advance(999);
  assert.deepEqual(it.events, []);
  it.timers.advance(1000);
  assert.deepEqual(it.events, [ConnectionEvent.LocalClose]);
});

test('SL-03 a flush that makes no progress is given up after the delayed close timeout', async () => {
  const it = await pair({ delayedCloseTimeoutMs: 1000, bufferLimitBytes: 0 });
  it.peer.pause();
  it.connection.write(Buffer.alloc(32 * 1024 * 1024));
  it.connection.close(ConnectionCloseType.FlushWrite);
  assert.deepEqual(it.events, []);
  it.timers.advance(1000);
  assert.deepEqual(it.events, [ConnectionEvent.LocalClose]);
});

for (const bufferLimitBytes of [16 * 1024, 1024 * 1024]) {
  test(`watermarks of ${bufferLimitBytes}: above once while the peer does not read, below once it does`, async () => {
    const it = await pair({ bufferLimitBytes });
    it.peer.pause();
    let written = 0;
    for (; it.above === 0; written += 64 * 1024) {
      it.connection.write(Buffer.alloc(64 * 1024, 'x'));
      assert.ok(written < 64 * 1024 * 1024, 'the kernel takes it all');
    }
    it.connection.write(Buffer.alloc(64 * 1024, 'x'));
    assert.equal(it.above, 1);
    assert.equal(it.below, 0);
    it.peer.resume();
    await it.until(() => it.below === 1);
    assert.ok(it.connection.writeBufferedBytes() <= bufferLimitBytes / 2);
  });
}

test('JS-05 a sink that throws costs its own connection only', async () => {
  const it = await pair();
  it.connection.setReadSink({
    onData() {
      throw new Error('bug');
    },
  });
  const caught = new Promise((resolve) => process.setUncaughtExceptionCaptureCallback(resolve));
  it.peer.write('x');
  const thrown = await caught;
  process.setUncaughtExceptionCaptureCallback(null);
  assert.ok(thrown instanceof Error && thrown.message === 'bug');
  assert.deepEqual(it.events, [ConnectionEvent.LocalClose]);
  assert.equal(it.connection.connectionTerminationDetails, 'internal_error');
});

test('close(AbortReset) shows the peer that what it got is not all', async () => {
  const it = await pair();
  it.connection.setReadSink(it);
  const failed = once(it.peer, 'error') as Promise<[NodeJS.ErrnoException]>; // what sockets fail with
  it.connection.write('part');
  it.connection.close(ConnectionCloseType.AbortReset);
  it.peer.resume();
  const [error] = await failed;
  assert.equal(error.code, 'ECONNRESET');
  assert.deepEqual(it.events, [ConnectionEvent.LocalClose]);
});

test('a flush may take as long as setDelayedCloseTimeout says, for ever with 0', async () => {
  const it = await pair({ bufferLimitBytes: 0 });
  it.peer.pause();
  it.connection.setDelayedCloseTimeout(0);
  it.connection.write(Buffer.alloc(32 * 1024 * 1024));
  it.connection.close(ConnectionCloseType.FlushWrite);
  it.timers.advance(3_600_000);
  assert.deepEqual(it.events, []);
  assert.equal(it.timers.armedCount(), 0);
});

test('bytes that wait one by one for a stalled peer cost little more than bytes', async () => {
  setFlagsFromString('--expose-gc');
  // Node gives it no other name.
  const collect = runInNewContext('gc') as () => void;
  const { connection, peer } = await pair({ bufferLimitBytes: 0 });
  peer.pause();
  connection.write(Buffer.alloc(32 * 1024 * 1024));
  for (const asText of [false, true]) {
    collect();
    const before = process.memoryUsage().heapUsed;
    const data = sharedReadSlab.memory.subarray(0, 1);
    for (let i = 0; i < 200_000; i++) {
      // A chunk of HTTP/1, or a piece of a body whose length is known.
      if (asText) connection.write('1\r\n');
      connection.write(data);
      if (asText) connection.write('\r\n');
    }
    collect();
    const mib = (process.memoryUsage().heapUsed - before) / 2 ** 20;
    assert.ok(mib < 5, `${mib.toFixed(1)} MiB beside 0.2 MiB`);
  }
});

test('small pieces that wait for a stalled peer do not keep the slabs that they were gathered in', async () => {
  const { connection, peer } = await pair({ bufferLimitBytes: 0 });
  peer.pause();
  connection.write(Buffer.alloc(32 * 1024 * 1024));
  await new Promise(setImmediate);
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 500; i++) {
    // One frame of HTTP/2 per turn.
    const slab = ReadSlab.take(64 * 1024);
    connection.write(slab.memory.subarray(0, 1000));
    slab.release();
  }
  const mib = (process.memoryUsage().arrayBuffers - before) / 2 ** 20;
  assert.ok(mib < 3, `${mib.toFixed(1)} MiB beside 0.5 MiB`);
});

test('JS-11 small reads that are written on with a stalled peer stay as they were', async () => {
  const source = await pair();
  const target = await pair({ bufferLimitBytes: 0 });
  // Fills the kernel's buffers, so that what follows has to wait.
  target.peer.pause();
  const filler = Buffer.alloc(32 * 1024 * 1024, '.');
  target.connection.write(filler);
  let written = 0;
  source.connection.setReadSink({
    onData: (data) => {
      target.connection.write(data);
      written += data.length;
      source.onData(data, false);
    },
  });
  const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(5000));
  for (const text of texts) {
    source.peer.write(text);
    const wanted = source.received.length + text.length;
    await source.until(() => source.received.length === wanted);
  }
  assert.equal(written, 15_000);
  let bytes = 0;
  let tail = '';
  const all = new Promise<void>((resolve) => {
    target.peer.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      tail = (tail + chunk.toString('latin1')).slice(-written);
      if (bytes === filler.length + written) resolve();
    });
  });
  target.peer.resume();
  await all;
  assert.equal(tail, texts.join(''));
});
