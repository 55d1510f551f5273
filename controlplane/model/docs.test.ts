// docs/mesh-documents.md against the code: its examples are good documents, its errors are what we say, and
// no field of a kind is missing in it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type LocatedObject, readDocuments } from './documents.ts';
import { keyOf, kinds, schemaOf } from './object.ts';
import { formatProblem } from './problem.ts';
import { checkMesh } from './semantics.ts';

const page = readFileSync(new URL('../../docs/mesh-documents.md', import.meta.url), 'utf8');

interface Block {
  /** What stands after the opening fence. */
  readonly info: string;
  readonly text: string;
  readonly line: number;
}

function blocks(): Block[] {
  return [...page.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map((match) => ({
    info: match[1] ?? '',
    text: match[2] ?? '',
    line: page.slice(0, match.index).split('\n').length,
  }));
}

const all = blocks();
const yaml = all.filter(({ info }) => info === 'yaml');
const base = readDocuments(yaml[0]?.text ?? '', 'base').objects;

/** Every problem of the page's mesh with the objects of `text` in place of those of the same name. */
function problemsOf(text: string): string[] {
  const { objects, problems } = readDocuments(text, 'route.yaml');
  const replaced = new Set(objects.map(({ object }) => keyOf(object)));
  const mesh: LocatedObject[] = [
    ...base.filter(({ object }) => !replaced.has(keyOf(object))),
    ...objects,
  ];
  return [...problems, ...checkMesh(mesh)].map(formatProblem);
}

/** Names of all fields below a JSON Schema. */
function fieldNames(schema: unknown, names = new Set<string>()): Set<string> {
  if (typeof schema !== 'object' || schema === null) return names;
  if ('properties' in schema && typeof schema.properties === 'object') {
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      names.add(name);
      fieldNames(field, names);
    }
  }
  if ('items' in schema) fieldNames(schema.items, names);
  return names;
}

describe('docs/mesh-documents.md', () => {
  it('begins with the mesh of its examples and has an example of every kind', () => {
    assert.ok(base.length >= 4);
    const shown = yaml.flatMap(({ text }) => readDocuments(text, 'page').objects);
    assert.deepEqual(
      kinds.filter((kind) => !shown.some(({ object }) => object.kind === kind)),
      [],
    );
  });

  for (const { text, line } of yaml) {
    it(`has a good example at line ${line}`, () => assert.deepEqual(problemsOf(text), []));
  }

  for (const [i, { info, text, line }] of all.entries()) {
    if (info !== 'yaml wrong') continue;
    it(`shows the errors of the example at line ${line} as they are`, () => {
      assert.equal(all[i + 1]?.info, 'text');
      assert.equal(problemsOf(text).join('\n'), all[i + 1]?.text.trimEnd());
    });
  }

  for (const kind of kinds) {
    it(`names every field of ${kind}`, () => {
      const section = page.split(/^## /m).find((part) => part.startsWith(`${kind}\n`)) ?? '';
      const spec: unknown = schemaOf[kind].properties.spec;
      const missing = [...fieldNames(spec)].filter(
        (name) => !new RegExp(`\`[^\`]*\\b${name}\\b[^\`]*\``).test(section),
      );
      // The sections of `defaults` are those of TrafficPolicy.
      const known = kind === 'MeshConfig' ? fieldNames(schemaOf.TrafficPolicy) : new Set<string>();
      assert.deepEqual(
        missing.filter((name) => !known.has(name)),
        [],
      );
    });
  }
});
