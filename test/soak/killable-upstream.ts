// An HTTP upstream as a process of its own that can be killed, frozen and come back on the same port. Answers its name,
// or the status that a test gave it; on /stream it takes a second, in ten pieces.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Runs in the child. */
const program = `
const http = require('node:http');
const [name, port, status, address] = process.argv.slice(1);
const server = http.createServer((request, response) => {
  response.statusCode = Number(status);
  if (request.url !== '/stream') {
    response.end(name);
    return;
  }
  let pieces = 0;
  const timer = setInterval(() => {
    if (++pieces < 10) response.write('piece ');
    else {
      clearInterval(timer);
      response.end('end');
    }
  }, 100);
});
server.keepAliveTimeout = 0;
server.listen(Number(port), address, () => console.log(server.address().port));
`;

/** start() and kill() in turn. */
export class KillableUpstream {
  /** 0 before the first start. */
  port = 0;
  readonly #name: string;
  readonly #status: number;
  /** Of 127/8. */
  readonly address: string;
  #child: ChildProcess | null = null;

  constructor(name: string, status = 200, address = '127.0.0.1') {
    this.#name = name;
    this.address = address;
    this.#status = status;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const child = spawn(
      process.execPath,
      ['-e', program, this.#name, String(this.port), String(this.#status), this.address],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.#child = child;
    const killChild = () => child.kill('SIGKILL');
    process.once('exit', killChild);
    child.once('exit', () => process.off('exit', killChild));
    const [line] = (await once(child.stdout!, 'data')) as [Buffer]; // its stdout is a pipe
    this.port = Number(line.toString());
  }

  /** SIGSTOP: the kernel goes on to take its connections and bytes, and nobody answers. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  /** SIGKILL: the kernel closes its sockets. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
}
