// A peer that takes commands as lines of JSON and answers in the same way: test/peers. What it tells by itself, without
// the id of a command, is kept as events.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { until } from '../../fakes/until.ts';

const KILL_AFTER_MS = 3000;
const KEPT_OUTPUT = 8000;

/** How a peer is started: its program, its arguments. */
export type Command = readonly [string, ...string[]];

interface Message {
  readonly id?: number;
}

export class JsonPeer<Answer extends object, Event extends object = Answer> {
  readonly events: Event[] = [];
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  #id = 0;
  #errors = '';

  constructor([program, ...args]: Command, environment: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    // A peer that is gone is seen by what it does not answer.
    this.#child.stdin?.on('error', () => {});
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-KEPT_OUTPUT);
    });
    this.#child.on('exit', () => {
      for (const { reject } of this.#waiting.values()) reject(this.#ended());
    });
    if (this.#child.stdout !== null) {
      createInterface({ input: this.#child.stdout }).on('line', (line) => this.#take(line));
    }
  }

  /** What the peer wrote to stderr last. */
  get output(): string {
    return this.#errors;
  }

  send(command: object): Promise<Answer> {
    const id = ++this.#id;
    const answer = Promise.withResolvers<Answer>();
    this.#waiting.set(id, answer);
    if (this.#child.exitCode !== null) answer.reject(this.#ended());
    this.#child.stdin?.write(`${JSON.stringify({ id, ...command })}\n`);
    return answer.promise;
  }

  /** Waits until the peer has told something that fits. */
  async event(what: string, fits: (event: Event) => boolean): Promise<Event> {
    try {
      await until(what, () => this.events.some(fits));
    } catch (thrown) {
      throw new Error(`${what}: ${JSON.stringify(this.events)} ${this.#errors}`, {
        cause: thrown,
      });
    }
    // Just found.
    return this.events.find(fits) as Event;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        resolve();
        return;
      }
      this.#child.once('exit', () => resolve());
      this.#child.stdin?.end();
      setTimeout(() => this.#child.kill('SIGKILL'), KILL_AFTER_MS).unref();
    });
  }

  #take(line: string): void {
    // The shapes are those of test/peers.
    const message = JSON.parse(line) as Message;
    const answer = message.id === undefined ? undefined : this.#waiting.get(message.id);
    if (answer === undefined) this.events.push(message as Event);
    else {
      this.#waiting.delete(message.id ?? 0);
      answer.resolve(message as Answer);
    }
  }

  #ended(): Error {
    return new Error(`the peer has ended: ${this.#errors}`);
  }
}
