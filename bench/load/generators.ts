// Runs the load of one row against one port, pinned, and returns its numbers: wrk for HTTP, our own small
// clients (handshakes.ts, pingpong.ts) for what wrk cannot do.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from '../rows.ts';
import type { Pki } from './configs.ts';
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
  const common = [String(port), String(load.connections), String(seconds)];
  if (load.kind === 'handshakes') {
    const session = load.resumed ? 'resumed' : 'full';
    const files = [pki.caFile, pki.certificateFile, pki.keyFile];
    return runClient(core, 'handshakes.ts', [...common, session, ...files]);
  }
  const mode = row.shape.backend === 'websocket' ? 'websocket' : 'tcp';
  return runClient(core, 'pingpong.ts', [...common, mode, String(load.bytes)]);
}

/** wrk takes a body from a Lua script only. */
function uploadScript(bytes: number, directory: string): string {
  const file = join(directory, `upload-${bytes}.lua`);
  writeFileSync(file, `wrk.method = 'POST'\nwrk.body = string.rep('a', ${bytes})\n`);
  return file;
}

async function runClient(core: number, file: string, args: readonly string[]): Promise<LoadResult> {
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
