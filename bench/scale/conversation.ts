// A process of the scale bench that is told things by lines and answers by lines of JSON with an `event`.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export type Event = Readonly<Record<string, unknown>>;

/** What bin/remora.js starts a control plane with. */
export const launcherFlags = ['--max-semi-space-size=4'] as const;

export class Conversation {
  readonly #child: ChildProcess;
  /** Events that nobody asked for yet. */
  readonly #events: Event[] = [];
  #wake: () => void = () => {};

  constructor(command: string, args: readonly string[]) {
    this.#child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { MALLOC_ARENA_MAX: '2', ...process.env },
    });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.#events.push(JSON.parse(line) as Event);
      this.#wake();
    });
    this.#child.once('exit', () => this.#wake());
  }

  tell(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  /** The next event of that name; throws when it does not come in time or the process ended. */
  async next(event: string, seconds: number): Promise<Event> {
    const endMs = performance.now() + seconds * 1000;
    while (true) {
      const at = this.#events.findIndex((candidate) => candidate['event'] === event);
      if (at >= 0) return this.#events.splice(at, 1)[0]!;
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new Error(`no '${event}' within ${seconds} s`);
      if (this.#child.exitCode !== null) throw new Error(`ended before '${event}'`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  ask(line: string, event: string, seconds: number): Promise<Event> {
    this.tell(line);
    return this.next(event, seconds);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
