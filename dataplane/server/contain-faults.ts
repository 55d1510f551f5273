// The last net under a thread: what is thrown in a callback (of a socket, a timer, TLS), or rejected with nobody
// listening, ends neither the thread nor the other connections. Installed by worker.ts and main.ts.

/** `onFault` must not throw. */
export function containFaults(onFault: (thrown: unknown) => void): void {
  process.on('uncaughtException', onFault);
  process.on('unhandledRejection', onFault);
}
