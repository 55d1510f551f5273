// Connections that were written to and whose bytes have not gone to the kernel yet. They are flushed
// once, at the end of the read event that caused the writes (or of the tick, for writes from timers),
// so that a head and its body, or several frames, cost one system call.

interface Flushable {
  flush(): void;
}

const dirty: Flushable[] = [];
/** Of `dirty`: the first that was not flushed. */
let next = 0;
/** Nesting of read events; a socket's 'data' may be emitted from within another's. */
let depth = 0;
let tickScheduled = false;
let immediateScheduled = false;

/** Enters a read event; pair with leaveReadEvent in a finally. */
export function enterReadEvent(): void {
  depth++;
}

/** What was written may not have been flushed yet. */
export function isInReadEvent(): boolean {
  return depth > 0;
}

/** Leaves a read event; the outermost one flushes everything written meanwhile. */
export function leaveReadEvent(): void {
  if (--depth === 0 && dirty.length > 0) flushAll();
}

/** Leaves a read event behind which more bytes of the same peer are at hand: flushes after all of them. */
export function leaveReadEventEarly(): void {
  if (--depth > 0 || dirty.length === 0 || immediateScheduled) return;
  immediateScheduled = true;
  setImmediate(onImmediate);
}

/** Flushes what leaveReadEventEarly left, unless a read event is going on, which will do it. */
export function flushLeftover(): void {
  if (depth === 0 && dirty.length > 0) flushAll();
}

/** Puts `connection` on the list; it must not be on it already. */
export function scheduleFlush(connection: Flushable): void {
  dirty.push(connection);
  if (depth === 0 && !tickScheduled) {
    tickScheduled = true;
    process.nextTick(onTick);
  }
}

function onImmediate(): void {
  immediateScheduled = false;
  flushLeftover();
}

function onTick(): void {
  tickScheduled = false;
  flushAll();
}

/**
 * Re-entrant: a flush may raise a watermark or a close whose callbacks write to other connections, and flush.
 * A flush that throws is not repeated.
 */
function flushAll(): void {
  while (next < dirty.length) dirty[next++]!.flush();
  dirty.length = 0;
  next = 0;
}
