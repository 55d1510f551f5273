// The child processes of one `remora up`: started, watched, stopped again, never by name, only by handle.

import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';

/** SIGTERM first; what has not gone by then gets SIGKILL. Longer than a sidecar's own drain. */
const STOP_TIMEOUT_MS = 12_000;

export interface StartOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Starts named children whose output goes to `<logDirectory>/<name>.log`. */
export class Processes {
  readonly #logDirectory: string;
  readonly #onUnexpectedExit: (name: string, how: string) => void;
  readonly #children = new Map<string, ChildProcess>();
  readonly #expected = new Set<string>();
  #stopping = false;

  /** `onUnexpectedExit` is called when a child ends that nobody asked to. */
  constructor(logDirectory: string, onUnexpectedExit: (name: string, how: string) => void) {
    this.#logDirectory = logDirectory;
    this.#onUnexpectedExit = onUnexpectedExit;
    mkdirSync(logDirectory, { recursive: true });
  }

  start(name: string, { command, args, cwd, env }: StartOptions): void {
    const log = createWriteStream(join(this.#logDirectory, `${name}.log`), { flags: 'a' });
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own group: Ctrl-C at the terminal reaches us alone, and we stop the children in order.
      detached: true,
    });
    child.stdout?.pipe(log);
    child.stderr?.pipe(log);
    this.#children.set(name, child);
    this.#expected.delete(name);
    child.once('error', (error) => this.#ended(name, error.message));
    child.once('exit', (code, signal) => this.#ended(name, signal ?? `exit code ${code}`));
  }

  /** Ends one child at once, as a crash would. */
  kill(name: string): void {
    this.#expected.add(name);
    this.#children.get(name)?.kill('SIGKILL');
  }

  logOf(name: string): string {
    return join(this.#logDirectory, `${name}.log`);
  }

  /** Stops every child; resolves when all are gone. */
  async stopAll(): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      [...this.#children.values()].map(
        (child) =>
          new Promise<void>((resolve) => {
            if (child.exitCode !== null || child.signalCode !== null) {
              resolve();
              return;
            }
            const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
            child.once('exit', () => {
              clearTimeout(timer);
              resolve();
            });
            child.kill('SIGTERM');
          }),
      ),
    );
  }

  #ended(name: string, how: string): void {
    if (!this.#stopping && !this.#expected.has(name)) this.#onUnexpectedExit(name, how);
  }
}
