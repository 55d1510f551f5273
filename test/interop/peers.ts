// Where the real peers of the interop tests are. A test without its peer is skipped by name, never silently.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const peersDir = fileURLToPath(new URL('../../.peers/bin', import.meta.url));

/** Debian puts servers there, and only root has it in PATH. */
const serverDir = '/usr/sbin';

/** $REMORA_<NAME>, then PATH, then .peers/bin (scripts/install-peers.sh) and /usr/sbin; null = not found. */
export function findPeer(name: string): string | null {
  const named = process.env[`REMORA_${name.toUpperCase()}`];
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), peersDir, serverDir];
  const candidates = [
    ...(named === undefined || named === '' ? [] : [named]),
    ...folders.filter((folder) => folder !== '').map((folder) => join(folder, name)),
  ];
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // not there, or not ours to run: the next candidate
  }
}

/** For `test(..., { skip })`: false, or the reason. */
export function skipWithout(name: string): string | false {
  return findPeer(name) === null
    ? `${name} not found: set REMORA_${name.toUpperCase()}, or run npm run peers`
    : false;
}
