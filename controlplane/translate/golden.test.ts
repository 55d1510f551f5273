// Golden test of documents -> xDS: each test/golden/in/*.yaml against test/golden/out/*.yaml. Run with
// REGENERATE_GOLDEN=1 to write the outputs anew (stale ones are deleted), and read the diff.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { buildGraph } from '../graph/builder.ts';
import { GraphHistory } from '../graph/history.ts';
import { readDocuments } from '../model/documents.ts';
import { formatProblem } from '../model/problem.ts';
import { checkMesh } from '../model/semantics.ts';
import { resourceKinds, resourcesToJson } from './to-json.ts';
import { Translator } from './translate.ts';

const inDir = fileURLToPath(new URL('../../test/golden/in/', import.meta.url));
const outDir = fileURLToPath(new URL('../../test/golden/out/', import.meta.url));
const regenerate = process.env['REGENERATE_GOLDEN'] === '1';

const certificate = {
  certificateChainPem: 'CERTIFICATE\n',
  privateKeyPem: 'KEY\n',
  rootsPem: 'ROOTS\n',
};

/** What every node of the mesh gets; what is the same as for the first node is not repeated. */
function translate(text: string, file: string): string {
  const { objects, problems } = readDocuments(text, file);
  assert.deepEqual([...problems, ...checkMesh(objects)].map(formatProblem), []);
  const history = new GraphHistory();
  const graph = history.succeed(
    buildGraph(
      objects.map(({ object }) => object),
      [],
    ),
  );
  const translator = new Translator(history);
  translator.begin(graph);
  const seen = new Set<string>();
  const output: Record<string, Record<string, unknown[]>> = {};
  for (const proxy of graph.proxies.values()) {
    const resources = resourcesToJson(translator.resourcesOf(proxy, certificate));
    const own: Record<string, unknown[]> = {};
    for (const kind of resourceKinds) {
      for (const json of resources[kind]) {
        const key = `${kind} ${JSON.stringify(json)}`;
        if (seen.has(key)) continue;
        seen.add(key);
        own[kind] ??= [];
        own[kind].push(json);
      }
    }
    output[proxy.nodeId] = own;
  }
  return stringify(output, { lineWidth: 110, aliasDuplicateObjects: false });
}

describe('documents to xDS', () => {
  const inputs = readdirSync(inDir);
  if (regenerate) {
    for (const stale of readdirSync(outDir)) if (!inputs.includes(stale)) rmSync(outDir + stale);
  }

  for (const file of inputs) {
    it(`translates ${file} as in golden/out`, () => {
      const actual = translate(readFileSync(inDir + file, 'utf8'), file);
      if (regenerate) writeFileSync(outDir + file, actual);
      assert.equal(actual, readFileSync(outDir + file, 'utf8'));
    });
  }

  it('has an input for every golden output', () => {
    assert.deepEqual(readdirSync(outDir).sort(), inputs.sort());
  });
});
