// The only door to Node's own stream handles: the objects behind net.Socket and tls.TLSSocket that read and
// write. Going through them directly spares the Readable and Writable machinery per read and write and lets
// us choose the memory that is read into (measured: docs/performance.md, ADR 0013). Used by network/ only.
//
// None of it is documented by Node, so everything that we rely on is named here, looked up once and checked;
// a Node without it is refused at start with a clear error, and stream-handle.test.ts fails on it first.

import type { Server, Socket } from 'node:net';

/** What Node attaches a write to that the kernel did not take at once. */
export interface WriteRequest {
  /** Called once, with 0 or a negative errno, when the bytes are gone or given up. */
  oncomplete: ((this: WriteRequest, status: number) => void) | null;
  /** Ours: who waits, and memory that must stay alive until then. */
  owner: WriteOwner | null;
  memory: unknown;
}

/** Gets the end of a pending write. */
export interface WriteOwner {
  onWriteComplete(status: number): void;
}

/** Node's LibuvStreamWrap (TCP, Pipe) or TLSWrap. Negative results are errnos. */
export interface StreamHandle {
  /** What it returns, if anything, is read into next. */
  onread: () => Buffer | undefined;
  /** Bytes that were written and have not left it. */
  readonly writeQueueSize: number;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Buffer): void;
  writeLatin1String(request: WriteRequest, text: string): number;
  writeBuffer(request: WriteRequest, data: Buffer): number;
  /** `chunks`: buffers, or, unless `allBuffers`, alternately a chunk and its encoding. */
  writev(request: WriteRequest, chunks: readonly unknown[], allBuffers: boolean): number;
}

/** What getpeername and getsockname fill in. */
export interface HandleAddress {
  address?: string;
  port?: number;
}

/** The handle of an accepted connection, TCP or Pipe; a Pipe has neither addresses nor options. */
export interface AcceptedStreamHandle extends StreamHandle {
  getpeername?(found: HandleAddress): number;
  getsockname?(found: HandleAddress): number;
  setNoDelay?(on: boolean): number;
  setKeepAlive?(on: boolean, delayS: number): number;
  shutdown(request: ShutdownRequest): number;
  reset?(): number;
  close(): void;
}

interface ShutdownRequest {
  oncomplete: (this: ShutdownRequest) => void;
  owner: FinOwner;
}

/** Gets told that FIN is on its way, or never will be. */
export interface FinOwner {
  onFinSent(): void;
}

interface ListeningHandle {
  onconnection: (status: number, handle?: AcceptedStreamHandle) => void;
}

interface StreamBinding {
  readonly ShutdownWrap: new () => ShutdownRequest;
  readonly WriteWrap: new () => WriteRequest;
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

const binding = loadBinding();
const { streamBaseState, kReadBytesOrError, kLastWriteWasAsync } = binding;

/** The handle of an open socket; null when it was destroyed already. */
export function handleOf(socket: Socket): StreamHandle | null {
  // net.Socket keeps it in a field that Node's types leave out.
  const handle = (socket as unknown as { readonly _handle?: StreamHandle | null })._handle ?? null;
  if (handle !== null && typeof handle.useUserBuffer !== 'function') {
    throw new Error(unsupported('its sockets have no useUserBuffer'));
  }
  return handle;
}

/** In an onread call: how many bytes came; negative = errno, or endOfStream. */
export function lastReadBytes(): number {
  return streamBaseState[kReadBytesOrError]!;
}

/** libuv's UV_EOF: the peer sent FIN. */
export const endOfStream = -4095;

/** Ready for the next write; Node does not touch it unless the write has to wait. */
let spare = new binding.WriteWrap();

/**
 * Writes. Returns 0 = the kernel took it all, a negative errno = nothing more can be written, 1 = the rest
 * waits inside the handle: `owner` is told when it is gone, and `memory` is kept until then.
 */
export function writeText(
  handle: StreamHandle,
  text: string,
  owner: WriteOwner,
  memory: unknown,
): number {
  return settle(handle.writeLatin1String(spare, text), owner, memory);
}

/** As writeText. `data` must not change while the write is pending. */
export function writeBuffer(
  handle: StreamHandle,
  data: Buffer,
  owner: WriteOwner,
  memory: unknown,
): number {
  return settle(handle.writeBuffer(spare, data), owner, memory);
}

/** As writeText, for several buffers in one system call. */
export function writeBuffers(
  handle: StreamHandle,
  chunks: readonly Buffer[],
  owner: WriteOwner,
  memory: unknown,
): number {
  return settle(handle.writev(spare, chunks, true), owner, memory);
}

function settle(error: number, owner: WriteOwner, memory: unknown): number {
  if (error !== 0) return error;
  if (streamBaseState[kLastWriteWasAsync] === 0) return 0;
  const request = spare;
  spare = new binding.WriteWrap();
  request.oncomplete = onComplete;
  request.owner = owner;
  request.memory = memory;
  return 1;
}

function onComplete(this: WriteRequest, status: number): void {
  this.memory = null;
  this.owner?.onWriteComplete(status);
}

/** FIN after all that was written. */
export function shutdownHandle(handle: AcceptedStreamHandle, owner: FinOwner): void {
  const request = new binding.ShutdownWrap();
  request.oncomplete = onShutdown;
  request.owner = owner;
  // Not 0: there is nothing to shut down any more.
  if (handle.shutdown(request) !== 0) owner.onFinSent();
}

function onShutdown(this: ShutdownRequest): void {
  this.owner.onFinSent();
}

/**
 * What `server` accepts from now on comes as bare handles, and 'connection' is not emitted. `errno` of a failed
 * accept is negative. Call it when the server listens.
 */
export function acceptHandles(
  server: Server,
  onHandle: (handle: AcceptedStreamHandle) => void,
  onError: (errno: number) => void,
): void {
  // net.Server keeps it in a field that Node's types leave out.
  const { _handle: listening } = server as unknown as { readonly _handle?: ListeningHandle | null };
  if (typeof listening?.onconnection !== 'function') {
    throw new Error(unsupported('its servers have no onconnection'));
  }
  listening.onconnection = (status, handle) => {
    if (handle === undefined) onError(status);
    else onHandle(handle);
  };
}

function loadBinding(): StreamBinding {
  // Not in Node's types; documented only as deprecated, and the only way to these two objects.
  const { binding: load } = process as unknown as {
    binding?: (name: string) => Partial<StreamBinding>;
  };
  if (load === undefined) throw new Error(unsupported('process.binding is gone'));
  const found = load.call(process, 'stream_wrap');
  if (
    typeof found.WriteWrap !== 'function' ||
    typeof found.ShutdownWrap !== 'function' ||
    !(found.streamBaseState instanceof Int32Array) ||
    typeof found.kReadBytesOrError !== 'number' ||
    typeof found.kLastWriteWasAsync !== 'number'
  ) {
    throw new Error(unsupported('stream_wrap is not as it was'));
  }
  // Each field was just checked.
  return found as StreamBinding;
}

function unsupported(what: string): string {
  return `Node ${process.version} cannot carry Remora's connections (${what}); run it with Node 24`;
}
