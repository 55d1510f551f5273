import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MergedDocument, type ParsedDocument, parseConfigText, pathSteps } from './document.ts';

function parsed(text: string, file = 'b.yaml'): ParsedDocument {
  const document = parseConfigText(file, text);
  assert.ok(document.ok, document.ok ? '' : document.errors.join('\n'));
  return document.value;
}

function place(document: { locate: ParsedDocument['locate'] }, path: string): string {
  const { file, position } = document.locate(path);
  return position === null ? file : `${file}:${position.line}:${position.column}`;
}

function errorsOf(text: string): string[] {
  const document = parseConfigText('b.yaml', text);
  return document.ok ? [] : document.errors;
}

describe('pathSteps', () => {
  it('splits names, list indexes and quoted map keys', () => {
    assert.deepEqual(pathSteps('a.b[0].c["x.y"].d'), ['a', 'b', 0, 'c', 'x.y', 'd']);
    assert.deepEqual(pathSteps(''), []);
  });
});

describe('parseConfigText', () => {
  it('says line and column of a syntax error', () => {
    assert.match(errorsOf('a:\n  - b\n c: [1,\n').join('\n'), /^b\.yaml:3:\d+ /);
  });

  it('refuses duplicate keys at the second one', () => {
    assert.deepEqual(errorsOf('a: 1\nb: 2\na: 3\n'), ['b.yaml:3:1 Map keys must be unique']);
  });

  it('refuses an alias bomb', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 8; i++) {
      lines.push(`a${i}: &a${i} [${new Array(10).fill(`*a${i - 1}`).join(', ')}]`);
    }
    assert.match(errorsOf(lines.join('\n')).join(), /alias/i);
  });

  it('resolves anchors and merge keys, and finds merged fields at their source', () => {
    const document = parsed('base: &base\n  x: 1\nuse:\n  <<: *base\n  y: 2\nagain: *base\n');
    assert.deepEqual(document.value, { base: { x: 1 }, use: { x: 1, y: 2 }, again: { x: 1 } });
    assert.equal(place(document, 'use.x'), 'b.yaml:2:3');
    assert.equal(place(document, 'again.x'), 'b.yaml:2:3');
  });

  it('reads JSON indented by tabs', () => {
    const document = parsed('{\n\t"a": {\n\t\t"b": [1, 2]\n\t}\n}\n', 'b.json');
    assert.deepEqual(document.value, { a: { b: [1, 2] } });
    assert.equal(place(document, 'a.b[1]'), 'b.json:3:12');
  });

  it('finds a field whose key is camelCase in the text', () => {
    assert.equal(
      place(parsed('staticResources:\n  clusters: []\n'), 'static_resources.clusters'),
      'b.yaml:2:3',
    );
  });

  it('falls back to the nearest ancestor that is in the text', () => {
    const document = parsed('a:\n  - b: 1\n');
    assert.equal(place(document, 'a[0].c.d'), 'b.yaml:2:5');
    assert.equal(place(document, 'a[7]'), 'b.yaml:1:1');
  });
});

describe('MergedDocument', () => {
  const base = parsed('name: x\nlist: [1]\nsub: {a: 1, b: 2}\nany: {"@type": t, v: 1}\n');
  const over = parsed('list: [2]\nsub: {b: 3, c: 4}\nany: {"@type": u}\n', 'over');
  const merged = new MergedDocument(base, over);

  it('joins lists, merges messages and replaces scalars and Anys', () => {
    assert.deepEqual(merged.value, {
      name: 'x',
      list: [1, 2],
      sub: { a: 1, b: 3, c: 4 },
      any: { '@type': 'u' },
    });
  });

  it('finds each field in the text it came from', () => {
    assert.equal(place(merged, 'name'), 'b.yaml:1:1');
    assert.equal(place(merged, 'list[0]'), 'b.yaml:2:8');
    assert.equal(place(merged, 'list[1]'), 'over:1:8');
    assert.equal(place(merged, 'sub.a'), 'b.yaml:3:7');
    assert.equal(place(merged, 'sub.b'), 'over:2:7');
  });

  it('merges a field that the two texts spell differently', () => {
    const camel = new MergedDocument(
      parsed('staticResources: {a: 1}'),
      parsed('static_resources: {b: 2}'),
    );
    assert.deepEqual(camel.value, { staticResources: { a: 1, b: 2 } });
  });
});
