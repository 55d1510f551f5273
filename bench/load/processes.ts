// Pinned processes and what they cost: started by us, read from /proc, ended by pid.

import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';

/** /proc counts CPU time in ticks of 1/100 s on every Linux we run on (getconf CLK_TCK). */
const TICKS_PER_SECOND = 100;

export interface PinnedProcess {
  readonly name: string;
  readonly child: ChildProcess;
}

/** Starts `command` on one core. Output goes to ours on failure only. */
export function startPinned(
  name: string,
  core: number,
  command: string,
  args: readonly string[],
): PinnedProcess {
  const child = spawn('taskset', ['-c', String(core), command, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let tail = '';
  const keep = (chunk: Buffer) => {
    tail = (tail + chunk.toString()).slice(-2000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  child.once('exit', (code) => {
    if (code !== 0 && code !== null) process.stderr.write(`${name} ended with ${code}: ${tail}\n`);
  });
  return { name, child };
}

export async function stop(processes: readonly PinnedProcess[]): Promise<void> {
  await Promise.all(
    processes.map(
      ({ child }) =>
        new Promise<void>((resolve) => {
          if (child.exitCode !== null || child.signalCode !== null) {
            resolve();
            return;
          }
          child.once('exit', () => resolve());
          child.kill('SIGTERM');
          setTimeout(() => child.kill('SIGKILL'), 3000).unref();
        }),
    ),
  );
}

/** The process and its descendants (nginx has a worker below its master). */
function family(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = statFields(Number(entry))?.[1];
    if (parent === undefined) continue;
    const siblings = children.get(Number(parent)) ?? [];
    siblings.push(Number(entry));
    children.set(Number(parent), siblings);
  }
  const all: number[] = [];
  const walk = (id: number) => {
    all.push(id);
    for (const child of children.get(id) ?? []) walk(child);
  };
  walk(pid);
  return all;
}

/** Fields after the command name, which may hold spaces: [state, ppid, ...]. */
function statFields(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null; // it ended between the listing and the reading
  }
}

/** User and system CPU of all threads of the processes and their children, in seconds. */
export function cpuSeconds(processes: readonly PinnedProcess[]): number {
  let ticks = 0;
  for (const { child } of processes) {
    for (const pid of family(child.pid ?? 0)) {
      const fields = statFields(pid);
      // utime and stime are fields 14 and 15 of proc(5), two less after pid and name, from 0.
      if (fields !== null) ticks += Number(fields[11]) + Number(fields[12]);
    }
  }
  return ticks / TICKS_PER_SECOND;
}

/** Resident memory of the processes and their children, MiB. */
export function rssMib(processes: readonly PinnedProcess[]): number {
  let kib = 0;
  for (const { child } of processes) {
    for (const pid of family(child.pid ?? 0)) {
      try {
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        kib += Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
      } catch {
        // it ended between the listing and the reading
      }
    }
  }
  return kib / 1024;
}

/** Resolves when something accepts on the port. */
export async function waitForPort(port: number, timeoutMs = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    if (performance.now() > deadline) throw new Error(`nothing listens on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
