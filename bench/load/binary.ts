// Where a peer's binary is: .peers/bin (scripts/install-peers.sh), else PATH.

import { existsSync } from 'node:fs';
import { join } from 'node:path';

export function binary(name: string): string {
  const own = join('.peers/bin', name);
  return existsSync(own) ? own : name;
}
