// The Go programs of this bench, built when first needed into .peers/bin.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const BINARIES = '.peers/bin';

/** Builds a program of bench/scale/peers unless it is there; throws without Go. */
export function goProgram(name: 'xds-fleet' | 'gcp-server'): string {
  const binary = join(BINARIES, name);
  if (!existsSync(binary)) {
    mkdirSync(BINARIES, { recursive: true });
    const target = join('..', '..', '..', binary);
    execFileSync('go', ['build', '-o', target, `./${name}`], { cwd: 'bench/scale/peers' });
  }
  return binary;
}
