// The openssl command as a peer that nobody here wrote.

import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

/** Both output streams together; `input` is typed in after the handshake, line by line, then end of file. */
export async function sClient(
  port: number,
  args: readonly string[],
  input: readonly string[] = [],
): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args]);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  child.stdin.on('error', () => {}); // it may be gone already
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const giveUp = setTimeout(() => child.kill(), 10_000);
  for (const line of input) {
    // s_client takes its commands (R, ...) only at the start of what it reads at once.
    for (let i = 0; i < 100 && !output.includes('---\n') && child.exitCode === null; i++) {
      await delay(20);
    }
    child.stdin.write(line);
    await delay(50);
  }
  if (input.length === 0) child.stdin.end();
  await closed;
  clearTimeout(giveUp);
  return output;
}
