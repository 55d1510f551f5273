// Generates proto/gen/ (git-ignored) from the Envoy protos of the package @grpc/grpc-js-xds:
//   envoy.json        descriptors              constraints.json   PGV rules, sensitive, deprecated
//   types.ts          types of the plain form of the messages that we touch
// Run by `npm run proto`; with --if-missing it does nothing when gen/ is newer than all it is made of.

import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type protobuf from 'protobufjs';

const protoDir = dirname(fileURLToPath(import.meta.url));
const genDir = join(protoDir, 'gen');

/** Changes whenever the package, our own protos or the generator change. */
function currentStamp(): string {
  const hash = createHash('sha256');
  const manifest = import.meta.resolve('@grpc/grpc-js-xds/package.json');
  hash.update(readFileSync(fileURLToPath(manifest)));
  const sources = globSync(['build.ts', 'build/*.ts', '{stubs,overlay}/**/*.proto'], {
    cwd: protoDir,
  });
  for (const source of sources.sort())
    hash.update(source).update(readFileSync(join(protoDir, source)));
  return hash.digest('hex');
}

function isFresh(expected: string): boolean {
  try {
    return readFileSync(join(genDir, 'stamp'), 'utf8') === expected;
  } catch {
    return false; // never built
  }
}

// By rename: another process may be reading, or building at the same time.
function replaceFile(name: string, content: string): void {
  const temporary = join(genDir, `${name}.${process.pid}`);
  writeFileSync(temporary, content);
  renameSync(temporary, join(genDir, name));
}

async function generate(stamp: string): Promise<void> {
  // Imported here: reading protobufjs's parser takes longer than the whole --if-missing check.
  const { loadProtos, reachableTypes } = await import('./build/load-protos.ts');
  const { makeBundle } = await import('./build/bundle.ts');
  const { extractConstraints } = await import('./build/constraints.ts');
  const { generateTypes } = await import('./build/types.ts');
  const root: protobuf.Root = loadProtos();
  const types = reachableTypes(root);
  mkdirSync(genDir, { recursive: true });
  replaceFile('envoy.json', JSON.stringify(makeBundle(root, types)));
  replaceFile('constraints.json', JSON.stringify(extractConstraints(types)));
  replaceFile('types.ts', generateTypes(root));
  replaceFile('stamp', stamp);
  console.log(`proto: ${types.size} messages and enums written to proto/gen`);
}

const stamp = currentStamp();
if (!process.argv.includes('--if-missing') || !isFresh(stamp)) await generate(stamp);
