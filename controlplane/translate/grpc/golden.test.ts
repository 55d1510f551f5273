// Golden test of documents -> xDS for proxyless gRPC: test/golden/in/*.yaml against test/golden/grpc/*.yaml, for three
// profiles. Run with REGENERATE_GOLDEN=1 to write the outputs anew, and read the diff.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { buildGraph } from '../../graph/builder.ts';
import { GraphHistory } from '../../graph/history.ts';
import { readDocuments } from '../../model/documents.ts';
import { resourceKinds, resourcesToJson } from '../to-json.ts';
import { isGrpcCallable } from './callable.ts';
import { GrpcTranslator } from './grpc-translator.ts';
import { grpcLimits } from './limits.ts';
import type { GrpcProfile } from './profile.ts';

const inDir = fileURLToPath(new URL('../../../test/golden/in/', import.meta.url));
const outDir = fileURLToPath(new URL('../../../test/golden/grpc/', import.meta.url));
const regenerate = process.env['REGENERATE_GOLDEN'] === '1';

const nowhere = { region: '', zone: '', subZone: '' };

/** A listener per name is much of the same: the first of each service stands for the others. */
const MOST_LISTENERS = 1;

function translate(text: string, file: string): string | null {
  const objects = readDocuments(text, file).objects.map(({ object }) => object);
  const history = new GraphHistory();
  const graph = history.succeed(buildGraph(objects, []));
  const callable = graph.services.filter(isGrpcCallable);
  if (callable.length === 0) return null;
  const translator = new GrpcTranslator(history);
  translator.begin(graph);
  const [first] = callable;
  const server = first?.endpoints[0]?.nodeId ?? null;
  const caller = { namespace: first!.namespace, locality: nowhere };
  const profiles: Record<string, GrpcProfile> = {
    'grpc-js': { dialect: 'node', ...caller, hasCertificates: false, nodeId: null },
    'any with certificates': { dialect: 'any', ...caller, hasCertificates: true, nodeId: null },
    server: { dialect: 'any', ...caller, hasCertificates: true, nodeId: server },
  };
  const seen = new Set<string>();
  const output: Record<string, unknown> = {
    limits: objects.flatMap((object) =>
      grpcLimits(object).map(
        ({ field, message }) => `${object.kind} ${object.metadata.name} ${field}: ${message}`,
      ),
    ),
  };
  for (const [name, profile] of Object.entries(profiles)) {
    const resources = resourcesToJson(translator.resourcesOf(profile));
    const own: Record<string, unknown[]> = {};
    for (const kind of resourceKinds) {
      let listeners = 0;
      for (const json of resources[kind]) {
        const key = `${kind} ${JSON.stringify(json)}`;
        if (seen.has(key) || (kind === 'listener' && listeners >= MOST_LISTENERS)) continue;
        seen.add(key);
        if (kind === 'listener') listeners++;
        own[kind] ??= [];
        own[kind].push(json);
      }
    }
    output[name] = own;
  }
  return stringify(output, { lineWidth: 110, aliasDuplicateObjects: false });
}

describe('documents to xDS for proxyless gRPC', () => {
  if (regenerate) for (const stale of readdirSync(outDir)) rmSync(outDir + stale);

  for (const file of readdirSync(inDir)) {
    it(`translates ${file} as in golden/grpc`, () => {
      const actual = translate(readFileSync(inDir + file, 'utf8'), file);
      if (actual === null) {
        assert.ok(!readdirSync(outDir).includes(file), 'nothing here is for gRPC');
        return;
      }
      if (regenerate) writeFileSync(outDir + file, actual);
      assert.equal(actual, readFileSync(outDir + file, 'utf8'));
    });
  }
});
