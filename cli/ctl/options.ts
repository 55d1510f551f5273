// The options that every `ctl` verb has, and the client they make.

import { readFileSync, readSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { stringify } from 'yaml';
import { CodedError, errorText } from '../../common/coded-error.ts';
import { RestClient } from '../rest-client.ts';

export const DEFAULT_SERVER = 'http://127.0.0.1:18080';

export const outputs = ['table', 'json', 'yaml'] as const;
export type Output = (typeof outputs)[number];

export interface ServerFlags {
  readonly server: string;
  readonly apiTokenFile?: string;
}

export function addServerOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--server <url>', 'REST API of the control plane')
        .env('REMORA_SERVER')
        .default(DEFAULT_SERVER),
    )
    .addOption(
      new Option('--api-token-file <file>', 'file with the API token, for an API off loopback').env(
        'REMORA_API_TOKEN_FILE',
      ),
    );
}

export function outputOption(defaultOutput: Output): Option {
  return new Option('-o, --output <format>', 'how to print')
    .choices([...outputs])
    .default(defaultOutput);
}

export function clientOf(flags: ServerFlags): RestClient {
  const token = flags.apiTokenFile === undefined ? null : readText(flags.apiTokenFile).trim();
  return new RestClient(flags.server, token);
}

/** A file's text; `-` is stdin. */
export function readText(file: string): string {
  try {
    return file === '-' ? readStdin() : readFileSync(file, 'utf8');
  } catch (thrown) {
    throw new CodedError('unreadable', `${file} cannot be read: ${errorText(thrown)}`, {
      cause: thrown,
    });
  }
}

const STDIN = 0;
const CHUNK_BYTES = 65_536;
const RETRY_MS = 10;

/** To its end. A pipe may be non-blocking, and then has nothing yet (EAGAIN) while its writer still thinks. */
function readStdin(): string {
  const chunks: Buffer[] = [];
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (;;) {
    try {
      const bytes = readSync(STDIN, chunk);
      if (bytes === 0) return Buffer.concat(chunks).toString('utf8');
      chunks.push(Buffer.from(chunk.subarray(0, bytes)));
    } catch (thrown) {
      if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EAGAIN')) throw thrown;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

export function structured(value: unknown, output: 'json' | 'yaml'): string {
  return output === 'json'
    ? `${JSON.stringify(value, null, 2)}\n`
    : stringify(value, { aliasDuplicateObjects: false });
}
