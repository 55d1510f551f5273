// One run of wrk, pinned, and its numbers.

import { spawn } from 'node:child_process';
import type { LoadResult } from './result.ts';

export interface WrkOptions {
  readonly core: number;
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly headers: readonly string[];
  /** Lua file; null = plain GETs. */
  readonly script: string | null;
}

export async function runWrk(options: WrkOptions): Promise<LoadResult> {
  const args = [
    '-c',
    String(options.core),
    'wrk',
    '-t1',
    `-c${options.connections}`,
    `-d${options.seconds}s`,
    '--latency',
    ...options.headers.flatMap((header) => ['-H', header]),
    ...(options.script === null ? [] : ['-s', options.script]),
    options.url,
  ];
  const child = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`wrk ended with ${code}`);
  return parse(output);
}

function parse(output: string): LoadResult {
  const number = (pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? 0);
  const milliseconds = (percent: string) => {
    const match = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s)`, 'm').exec(output);
    const scale = { us: 0.001, ms: 1, s: 1000 }[match?.[2] ?? 'ms'] ?? 1;
    return Number(match?.[1] ?? 0) * scale;
  };
  const socketErrors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(
    output,
  );
  const errors = (socketErrors?.slice(1) ?? []).reduce((sum, text) => sum + Number(text), 0);
  return {
    operations: number(/(\d+) requests in/),
    operationsPerSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: milliseconds('50'),
    p99Ms: milliseconds('99'),
    errors: errors + number(/Non-2xx or 3xx responses: (\d+)/),
  };
}
