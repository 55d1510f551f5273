// One run of h2load, pinned, and its numbers. It speaks HTTP/2 by prior knowledge, or by ALPN to https; it asks
// nobody for certificates and shows none.

import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import type { LoadResult } from './result.ts';

export interface H2loadOptions {
  readonly core: number;
  readonly url: string;
  readonly connections: number;
  /** Requests in flight on each connection. */
  readonly streams: number;
  readonly seconds: number;
  readonly headers: readonly string[];
  /** Body of each request, then POST; null = GET. */
  readonly bodyFile: string | null;
  /** Body bytes of a right answer; h2load sees neither trailers nor grpc-status. */
  readonly answerBytes: number;
  /** Messages in an answer: operations and times are per message, but the percentiles per request. */
  readonly operationsPerRequest: number;
  /** Scratch file. */
  readonly logFile: string;
}

export async function runH2load(options: H2loadOptions): Promise<LoadResult> {
  const { core, connections, streams, seconds, headers, bodyFile, logFile } = options;
  const args = [
    ...['-c', String(core), 'h2load', '-t1', `-c${connections}`, `-m${streams}`, `-D${seconds}`],
    ...headers.flatMap((header) => ['-H', header]),
    ...(bodyFile === null ? [] : ['-d', bodyFile]),
    `--log-file=${logFile}`,
    options.url,
  ];
  rmSync(logFile, { force: true });
  const child = spawn('taskset', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`h2load ended with ${code}: ${output}`);
  return parse(output, readFileSync(logFile, 'utf8'), options);
}

function parse(output: string, log: string, options: H2loadOptions): LoadResult {
  const number = (pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? 0);
  const succeeded = number(/(\d+) succeeded,/);
  const failures = [
    /(\d+) failed,/,
    /(\d+) errored,/,
    /(\d+) timeout/,
    /(\d+) 3xx/,
    /(\d+) 4xx/,
    /(\d+) 5xx/,
  ];
  const bodyBytes = number(/headers \(space savings .*?\), \S+ \((\d+)\) data/);
  // What the requests in flight at the end had received counts as bytes, but not as requests.
  const missingBytes = Math.max(0, succeeded * options.answerBytes - bodyBytes);
  const incomplete = options.answerBytes === 0 ? 0 : missingBytes / options.answerBytes;
  // Columns: start, status, microseconds.
  const milliseconds = log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Number(line.split('\t')[2]) / 1000)
    .sort((a, b) => a - b);
  const at = (share: number) => milliseconds[Math.floor(milliseconds.length * share)] ?? 0;
  const operations = succeeded * options.operationsPerRequest;
  return {
    operations,
    operationsPerSecond: operations / options.seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    errors: failures.reduce((sum, one) => sum + number(one), Math.ceil(incomplete)),
  };
}
