import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage } from './any.ts';
import { encodeDeltaDiscoveryResponse, encodeDiscoveryResponse } from './discovery.ts';
import {
  encodeResource,
  encodeResourceWithTtl,
  encodeWrappedResource,
  spliceDeltaDiscoveryResponse,
  spliceDiscoveryResponse,
} from './discovery-splice.ts';

const parts = (name: string, size: number) => ({
  name,
  version: `v-${name}`,
  typeUrl: 'type.googleapis.com/x.Y',
  value: Buffer.alloc(size, 7),
  aliases: [],
});

test('what is spliced is what would be encoded in one go, whatever the lengths', () => {
  for (const size of [0, 1, 126, 127, 128, 16_383, 16_384, 70_000]) {
    const sources = [parts('a', size), parts('b'.repeat(200), size + 1)];
    const encoded = sources.map(encodeResource);
    const rest = { typeUrl: 'type.googleapis.com/x.Y', nonce: '7', controlPlane: 'cp' };
    assert.deepEqual(
      spliceDiscoveryResponse({
        versionInfo: 'v',
        resources: encoded.map(({ sotw }) => sotw),
        ...rest,
      }),
      encodeDiscoveryResponse({ versionInfo: 'v', resources: sources, ...rest }),
    );
    assert.deepEqual(
      spliceDeltaDiscoveryResponse({
        systemVersionInfo: 'v',
        resources: encoded.map(({ delta }) => delta),
        removedResources: ['gone'],
        ...rest,
      }),
      encodeDeltaDiscoveryResponse({
        systemVersionInfo: 'v',
        resources: sources.map(({ name, version, typeUrl, value }) => ({
          name,
          version,
          resource: { typeUrl, value },
        })),
        removedResources: ['gone'],
        ...rest,
      }),
    );
    assert.deepEqual(Buffer.from(encoded[0]!.value), sources[0]!.value);
  }
});

const read = (bytes: Uint8Array) => {
  const decoded = decodeMessage('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes);
  return decoded.ok ? decoded.value.message.resources?.[0] : assert.fail('does not decode');
};

test('TTL and aliases are in their fields; a heartbeat has no resource', () => {
  const source = { ...parts('a', 3), aliases: ['t/x', 't/y'] };
  const plain = read(encodeResource(source).delta);
  assert.deepEqual(plain?.aliases, ['t/x', 't/y']);
  const withTtl = read(encodeResourceWithTtl(source, 1500));
  assert.deepEqual(withTtl?.ttl, { seconds: 1, nanos: 500_000_000 });
  assert.equal(withTtl?.resource?.type_url, source.typeUrl);
  const heartbeat = read(encodeResourceWithTtl({ ...source, value: null }, 2000));
  assert.equal(heartbeat?.resource, undefined);
  assert.equal(heartbeat?.version, 'v-a');
});

test('in SotW a resource with TTL is wrapped', () => {
  const bytes = encodeWrappedResource(parts('a', 3), 2000);
  const decoded = decodeMessage('envoy.service.discovery.v3.DiscoveryResponse', bytes);
  const any = decoded.ok ? decoded.value.message.resources?.[0] : undefined;
  assert.equal(any?.type_name, 'envoy.service.discovery.v3.Resource');
});
