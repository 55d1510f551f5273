import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeSnapshot, encodeSnapshot, type Snapshot } from './snapshot.ts';

const snapshot: Snapshot = {
  identity: { nodeId: 'n', nodeCluster: 'c', controlPlane: 'p' },
  savedAtMs: 12,
  resources: [
    {
      kind: 'cluster',
      source: 'ads',
      name: 'a',
      version: '1',
      updatedAtMs: 1,
      bytes: Buffer.of(1, 2),
    },
    {
      kind: 'listener',
      source: 'ads',
      name: 'ü',
      version: '',
      updatedAtMs: 2,
      bytes: Buffer.alloc(0),
    },
    { kind: 'route', source: 'x', name: 'r', version: '3', updatedAtMs: 3, bytes: Buffer.of(0xff) },
  ],
};

describe('a snapshot of last good resources', () => {
  it('comes back as it was', () => {
    assert.deepEqual(decodeSnapshot(encodeSnapshot(snapshot)), { ok: true, value: snapshot });
  });

  it('is refused wherever it is cut off', () => {
    const bytes = encodeSnapshot(snapshot);
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(decodeSnapshot(bytes.subarray(0, length)).ok, false, `cut to ${length}`);
    }
  });

  it('of another version is refused', () => {
    const bytes = encodeSnapshot(snapshot);
    const other = Buffer.from(
      bytes.toString('latin1').replace('"version":1', '"version":2'),
      'latin1',
    );
    assert.deepEqual(decodeSnapshot(other), {
      ok: false,
      errors: 'it has version 2, this release reads 1',
    });
  });

  it('leaves out kinds that this release does not know', () => {
    const bytes = encodeSnapshot(snapshot);
    const newer = Buffer.from(
      bytes.toString('latin1').replace('"listener"', '"listenex"'),
      'latin1',
    );
    const decoded = decodeSnapshot(newer);
    assert.ok(decoded.ok);
    assert.deepEqual(decoded.value.resources, [snapshot.resources[0], snapshot.resources[2]]);
  });
});
