// Programs of others that the interop tests start: servers until they accept, clients until they end.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import net from 'node:net';

const START_TIMEOUT_MS = 20_000;
const POLL_MS = 50;
const KILL_AFTER_MS = 3000;

export interface PeerServer {
  readonly port: number;
  /** SIGTERM, so that servers take their workers along; SIGKILL where that takes too long. */
  stop(): Promise<void>;
}

/** Starts a server and waits until it accepts on `port`. */
export async function startPeerServer(
  command: string,
  args: readonly string[],
  port: number,
): Promise<PeerServer> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.on('error', (error) => {
    output += error.message;
  });
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await kill(child);
      throw new Error(`${command} does not listen on ${port}:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return { port, stop: () => kill(child) };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function kill(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS).unref();
  });
}

export interface PeerResult {
  /** -1: killed at the time limit, or not startable. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a client to its end, at most `timeoutMs`. */
export function runPeer(
  command: string,
  args: readonly string[],
  timeoutMs = 60_000,
): Promise<PeerResult> {
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, maxBuffer: 1 << 28 };
    execFile(command, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}
