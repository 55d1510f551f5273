// docs/dependencies.md against package.json and what is installed: no package without its reason, no
// reason without its package, and versions and licences as they are.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly overrides?: Readonly<Record<string, string>>;
  readonly license?: string;
}

// npm's own format.
const readManifest = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Manifest;
const manifest = readManifest(`${root}package.json`);
const page = readFileSync(`${root}docs/dependencies.md`, 'utf8');
const [kept = ''] = page.split('\n## Refused');

/** name -> [version, licence] of the rows of the first two tables. */
const rows = new Map(
  [...kept.matchAll(/^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+)\|/gm)].map((match) => [
    match[1] ?? '',
    { version: match[2]?.trim(), licence: match[3]?.trim(), why: match[4]?.trim() ?? '' },
  ]),
);
const wanted = {
  ...manifest.dependencies,
  ...manifest.devDependencies,
  ...manifest.optionalDependencies,
};

describe('docs/dependencies.md', () => {
  for (const [name, version] of Object.entries(wanted)) {
    it(`says why ${name} is there, in which version and under which licence`, () => {
      const row = rows.get(name);
      assert.ok(row !== undefined, 'no entry');
      assert.equal(row.version, version);
      assert.ok(row.why.length > 10);
      const installed = `${root}node_modules/${name}/package.json`;
      // Optional packages are not there on other platforms.
      if (!existsSync(installed) && name in (manifest.optionalDependencies ?? {})) return;
      assert.equal(row.licence, readManifest(installed).license);
    });
  }

  it('explains nothing that is gone', () => {
    assert.deepEqual(
      [...rows.keys()].filter((name) => !(name in wanted)),
      [],
    );
  });

  it('names every override', () => {
    for (const name of Object.keys(manifest.overrides ?? {})) {
      assert.ok(page.includes(`\`${name}\``), name);
    }
  });
});
