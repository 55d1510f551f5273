import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionsWithin, defaultConnectionLimit } from './descriptor-limit.ts';

const limits = (files: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units\nMax processes             100                  100                  processes\nMax open files            ${files}                 4096                 files\n`;

test('half of the descriptors, and some for the process itself', () => {
  assert.equal(connectionsWithin(limits('1024')), 480);
  assert.equal(connectionsWithin(limits('256')), 96);
  assert.equal(connectionsWithin(limits('50')), 16);
  assert.equal(connectionsWithin(limits('unlimited')), null);
  assert.equal(connectionsWithin(''), null);
});

test('reads what Linux says of this process', () => {
  const limit = defaultConnectionLimit();
  assert.ok(limit === null ? process.platform !== 'linux' : limit >= 16);
});
