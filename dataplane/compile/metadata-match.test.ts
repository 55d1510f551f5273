import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metadataMatchOf } from '../api/metadata-match.ts';
import { compileMetadataMatch } from './metadata-match.ts';

const ofRoute = metadataMatchOf({ version: 'v1', stage: 'prod' });

test('of the namespaces, envoy.lb counts', () => {
  const metadata = { filter_metadata: { 'envoy.lb': { a: 1 }, other: { b: 2 } } };
  assert.deepEqual(compileMetadataMatch(metadata, null), metadataMatchOf({ a: 1 }));
  assert.equal(compileMetadataMatch({ filter_metadata: { other: { b: 2 } } }, null), null);
  assert.equal(compileMetadataMatch(undefined, null), null);
});

test("a weighted cluster's is merged over its route's", () => {
  const metadata = { filter_metadata: { 'envoy.lb': { stage: 'dev' } } };
  assert.deepEqual(
    compileMetadataMatch(metadata, ofRoute),
    metadataMatchOf({ version: 'v1', stage: 'dev' }),
  );
  assert.equal(compileMetadataMatch(undefined, ofRoute), ofRoute);
});
