// How many downstream connections there may be when nobody has said so: each needs a second descriptor for its
// upstream side, and without descriptors libuv accepts connections and hangs up on them without a word.

import { readFileSync } from 'node:fs';

/** Listening sockets, logs, workers, admin. */
const RESERVED_DESCRIPTORS = 64;
const MIN_CONNECTIONS = 16;

/** From the text of /proc/self/limits; null = there is no limit, or none that can be read. */
export function connectionsWithin(limits: string): number | null {
  const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  if (soft === undefined) return null;
  return Math.max(MIN_CONNECTIONS, Math.floor((Number(soft) - RESERVED_DESCRIPTORS) / 2));
}

/** Of this process; null where /proc does not say it. */
export function defaultConnectionLimit(): number | null {
  try {
    return connectionsWithin(readFileSync('/proc/self/limits', 'utf8'));
  } catch {
    return null; // not Linux
  }
}
