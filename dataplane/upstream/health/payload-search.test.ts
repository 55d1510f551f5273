import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PayloadSearch } from './payload-search.ts';

const bytes = (...texts: string[]) => texts.map((text) => Uint8Array.from(Buffer.from(text)));

function isFound(payloads: readonly Uint8Array[], ...chunks: string[]): boolean {
  const search = new PayloadSearch(payloads);
  for (const chunk of chunks) search.add(Buffer.from(chunk));
  return search.isComplete();
}

test('payloads are found in their order with anything between', () => {
  assert.equal(isFound(bytes('ab', 'cd'), 'xabyycdz'), true);
  assert.equal(isFound(bytes('ab', 'cd'), 'cdab'), false);
  assert.equal(isFound(bytes('ab', 'ab'), 'ab'), false, 'one occurrence counts once');
  assert.equal(isFound(bytes('aa', 'a'), 'aaa'), true);
  assert.equal(isFound(bytes('aab'), 'aaab'), true);
  assert.equal(isFound([]), true, 'nothing to find');
  assert.equal(isFound(bytes(''), ''), true);
});

test('it makes no difference where the bytes are cut', () => {
  const text = 'aabaacaabaad';
  for (const payloads of [
    bytes('aabaad'),
    bytes('aa', 'caab'),
    bytes('ab', 'ab', 'd'),
    bytes('x'),
  ]) {
    const whole = isFound(payloads, text);
    assert.equal(isFound(payloads, ...text), whole);
    for (let cut = 0; cut <= text.length; cut++) {
      assert.equal(isFound(payloads, text.slice(0, cut), text.slice(cut)), whole);
    }
  }
});

test('bytes are copied before their memory is used again', () => {
  const search = new PayloadSearch(bytes('abcd'));
  const slab = Buffer.from('xxab');
  search.add(slab);
  slab.fill(0);
  search.add(Buffer.from('cd'));
  assert.equal(search.isComplete(), true);
});

test('a reset begins anew', () => {
  const search = new PayloadSearch(bytes('ab'));
  search.add(Buffer.from('a'));
  search.reset();
  search.add(Buffer.from('b'));
  assert.equal(search.isComplete(), false);
});
