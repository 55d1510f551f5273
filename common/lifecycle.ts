// Things that open must close, in reverse order.

/** Collects clean-ups and runs them last-in first-out, once; every one runs even if one throws. */
export class DisposableStack implements Disposable {
  #cleanups: (() => void)[] = [];

  add(cleanup: () => void): void {
    this.#cleanups.push(cleanup);
  }

  [Symbol.dispose](): void {
    const cleanups = this.#cleanups;
    this.#cleanups = [];
    let failure: unknown;
    for (const cleanup of cleanups.reverse()) {
      try {
        cleanup();
      } catch (thrown) {
        failure ??= thrown;
      }
    }
    if (failure !== undefined) throw failure;
  }
}
