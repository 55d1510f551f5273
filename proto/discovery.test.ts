import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage, encodeMessage } from './any.ts';
import {
  decodeDeltaDiscoveryRequest,
  decodeDeltaDiscoveryResponse,
  decodeDiscoveryRequest,
  decodeDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
  encodeDeltaDiscoveryResponse,
  encodeDiscoveryRequest,
  encodeDiscoveryResponse,
  unwrapResource,
} from './discovery.ts';

const typeUrl = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const cluster = encodeMessage('envoy.config.cluster.v3.Cluster', { name: 'a' });
const node = encodeMessage('envoy.config.core.v3.Node', { id: 'n1' });

test('a DiscoveryRequest reads as the generic codec reads it', () => {
  const bytes = encodeDiscoveryRequest({
    versionInfo: 'v1',
    node,
    resourceNames: ['a', 'b'],
    typeUrl,
    responseNonce: '7',
    errorDetail: { code: 13, message: 'no' },
  });
  const generic = decodeMessage('envoy.service.discovery.v3.DiscoveryRequest', bytes);
  assert.ok(generic.ok);
  assert.deepEqual(generic.value.message, {
    version_info: 'v1',
    node: { id: 'n1' },
    resource_names: ['a', 'b'],
    type_url: typeUrl,
    response_nonce: '7',
    error_detail: { code: 13, message: 'no' },
  });
  assert.deepEqual(encodeDiscoveryRequest(decodeDiscoveryRequest(bytes)), bytes);
});

test('a DeltaDiscoveryRequest reads as the generic codec reads it', () => {
  const bytes = encodeDeltaDiscoveryRequest({
    node,
    typeUrl,
    subscribe: ['*'],
    unsubscribe: ['x'],
    initialResourceVersions: new Map([
      ['a', '1'],
      ['b', ''],
    ]),
    responseNonce: '',
    errorDetail: null,
  });
  const generic = decodeMessage('envoy.service.discovery.v3.DeltaDiscoveryRequest', bytes);
  assert.ok(generic.ok);
  assert.equal(JSON.stringify(generic.value.message.initial_resource_versions), '{"a":"1","b":""}');
  assert.deepEqual(generic.value.message.resource_names_unsubscribe, ['x']);
  assert.deepEqual(encodeDeltaDiscoveryRequest(decodeDeltaDiscoveryRequest(bytes)), bytes);
});

test('responses keep resources encoded', () => {
  const any = { typeUrl, value: Buffer.from(cluster) };
  const sotw = encodeDiscoveryResponse({
    versionInfo: 'v',
    resources: [any],
    typeUrl,
    nonce: '1',
    controlPlane: 'cp',
  });
  assert.deepEqual(decodeDiscoveryResponse(sotw).resources, [any]);
  assert.equal(decodeDiscoveryResponse(sotw).controlPlane, 'cp');
  assert.ok(decodeMessage('envoy.service.discovery.v3.DiscoveryResponse', sotw).ok);
  const delta = encodeDeltaDiscoveryResponse({
    systemVersionInfo: 's',
    resources: [
      { name: 'a', version: '1', resource: any },
      { name: 'b', version: '2', resource: null },
      { name: 'c', version: '2', aliases: ['d', 'e'], resource: any },
    ],
    typeUrl,
    removedResources: ['c'],
    nonce: '2',
    controlPlane: 'cp',
  });
  const generic = decodeMessage('envoy.service.discovery.v3.DeltaDiscoveryResponse', delta);
  assert.ok(generic.ok);
  assert.deepEqual(generic.value.message.removed_resources, ['c']);
  assert.deepEqual(encodeDeltaDiscoveryResponse(decodeDeltaDiscoveryResponse(delta)), delta);
});

test('a resource wrapped for SotW is unwrapped', () => {
  const wrapped = encodeMessage('envoy.service.discovery.v3.Resource', {
    name: 'a',
    version: '1',
    resource: { type_url: typeUrl, type_name: '', message: null, value: Buffer.from(cluster) },
  });
  const any = {
    typeUrl: 'type.googleapis.com/envoy.service.discovery.v3.Resource',
    value: wrapped,
  };
  assert.equal(unwrapResource(any)?.name, 'a');
  assert.equal(unwrapResource({ typeUrl, value: cluster }), null);
});

test('unknown fields are skipped, and every truncation of a message throws or reads', () => {
  const bytes = encodeDiscoveryResponse({
    versionInfo: 'v',
    resources: [{ typeUrl, value: cluster }],
    typeUrl,
    nonce: '1',
    controlPlane: 'cp',
  });
  const unknown = Buffer.concat([bytes, Buffer.from([0xf8, 0x07, 0x05])]);
  assert.deepEqual(decodeDiscoveryResponse(unknown), decodeDiscoveryResponse(bytes));
  for (let end = 0; end < bytes.length; end++) {
    try {
      decodeDiscoveryResponse(bytes.subarray(0, end));
    } catch (thrown) {
      assert.ok(thrown instanceof Error);
    }
  }
  assert.throws(() => decodeDiscoveryResponse(Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07])));
  assert.throws(() => decodeDiscoveryResponse(Buffer.from([0x0a, 0x01, 0xff])), /UTF-8/);
});
