import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mt19937 } from './mt19937.ts';

test('the ten thousandth number is the one that the C++ standard names', () => {
  const random = new Mt19937();
  random.seed(5489);
  let number = 0;
  for (let i = 0; i < 10_000; i++) number = random.next();
  assert.equal(number, 4_123_659_995);
});

test('a seed begins its sequence anew', () => {
  const random = new Mt19937();
  for (let round = 0; round < 2; round++) {
    random.seed(7);
    assert.deepEqual([random.next(), random.next()], [327_741_615, 976_413_892]);
  }
});
