// `remora ctl` as a user runs it: a process of its own, from source.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

export interface CtlOutcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCtl {
  readonly child: ChildProcess;
  /** What it printed so far. */
  readonly output: { stdout: string; stderr: string };
  readonly ended: Promise<CtlOutcome>;
}

/** `restUrl`: of the control plane. `stdin` is what it reads. */
export function startCtl(restUrl: string, args: readonly string[], stdin = ''): RunningCtl {
  const child = spawn(process.execPath, [cli, 'ctl', ...args, '--server', restUrl]);
  const output = { stdout: '', stderr: '' };
  child.stdin.end(stdin);
  child.stdout.on('data', (chunk: Buffer) => {
    output.stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output.stderr += chunk.toString();
  });
  const ended = new Promise<CtlOutcome>((resolve) => {
    child.on('close', (code) => resolve({ code, ...output }));
  });
  return { child, output, ended };
}

export function runCtl(restUrl: string, ...args: string[]): Promise<CtlOutcome> {
  return startCtl(restUrl, args).ended;
}
