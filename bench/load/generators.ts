// Runs the load of one row against one port, pinned, and returns its numbers: wrk for HTTP/1, h2load for
// HTTP/2, our own small clients (handshakes.ts, pingpong.ts, paced.ts) for what these cannot do.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Load, Row, Shape } from '../rows.ts';
import type { Pki } from './configs.ts';
import { runH2load } from './h2load.ts';
import type { LoadResult } from './result.ts';
import { runWrk } from './wrk.ts';

export interface LoadOptions {
  readonly core: number;
  readonly port: number;
  readonly seconds: number;
  readonly pki: Pki;
  readonly directory: string;
}

export function runLoad(row: Row, options: LoadOptions): Promise<LoadResult> {
  const { load } = row;
  const { core, port, seconds, pki } = options;
  if (load.kind === 'http') {
    const { path, connections, headers, uploadBytes } = load;
    const url = `http://127.0.0.1:${port}${path}`;
    const script = uploadBytes === 0 ? null : uploadScript(uploadBytes, options.directory);
    return runWrk({ core, url, connections, seconds, headers, script });
  }
  if (load.kind === 'http2') return runHttp2(row.shape, load, options);
  if (load.kind === 'paced') {
    const numbers = [port, load.connections, load.streams, load.perSecond, seconds];
    return runClient(core, 'paced.ts', numbers.map(String));
  }
  const common = [String(port), String(load.connections), String(seconds)];
  if (load.kind === 'handshakes') {
    const session = load.resumed ? 'resumed' : 'full';
    const files = [pki.caFile, pki.certificateFile, pki.keyFile];
    return runClient(core, 'handshakes.ts', [...common, session, ...files]);
  }
  const mode = row.shape.backend === 'websocket' ? 'websocket' : 'tcp';
  return runClient(core, 'pingpong.ts', [...common, mode, String(load.bytes)]);
}

function runHttp2(
  shape: Shape,
  load: Extract<Load, { kind: 'http2' }>,
  { core, port, seconds, directory }: LoadOptions,
): Promise<LoadResult> {
  const { path, connections, streams, answerBytes, body } = load;
  const scheme = shape.tls === 'none' ? 'http' : 'https';
  let bodyFile: string | null = null;
  if (body !== null) {
    bodyFile = join(directory, `body-${body.length}`);
    writeFileSync(bodyFile, body);
  }
  return runH2load({
    core,
    url: `${scheme}://127.0.0.1:${port}${path}`,
    connections,
    streams,
    seconds,
    headers: body === null ? [] : ['content-type: application/grpc', 'te: trailers'],
    bodyFile,
    answerBytes,
    operationsPerRequest: load.messages,
    logFile: join(directory, 'h2load.log'),
  });
}

/** wrk takes a body from a Lua script only. */
function uploadScript(bytes: number, directory: string): string {
  const file = join(directory, `upload-${bytes}.lua`);
  writeFileSync(file, `wrk.method = 'POST'\nwrk.body = string.rep('a', ${bytes})\n`);
  return file;
}

/** One of our own load clients; its last line is its result. */
export async function runClient(
  core: number,
  file: string,
  args: readonly string[],
): Promise<LoadResult> {
  const program = join(import.meta.dirname, file);
  const child = spawn('taskset', ['-c', String(core), process.execPath, program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(`${file} ended with ${code}`);
  // Our own program's last line.
  return JSON.parse(output) as LoadResult;
}
