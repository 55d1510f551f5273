import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Client, type ClientDuplexStream, credentials, Metadata, status } from '@grpc/grpc-js';
import {
  decodeDeltaDiscoveryResponse,
  decodeDiscoveryResponse,
  encodeDeltaDiscoveryRequest,
  encodeDiscoveryRequest,
} from '../../proto/discovery.ts';
import { type AdsHarness, startAds, until } from '../../test/fakes/ads-harness.ts';
import { NODE_ID, nodeBytes } from '../../test/fakes/ads-node.ts';
import { resourceOf } from '../../test/fakes/xds-resources.ts';
import { isFullStateKind, type NamedKind, typeUrlOfKind, xdsKinds } from '../cache/kinds.ts';
import { Snapshot } from '../cache/snapshot.ts';
import { xdsServices } from './services.ts';

const identity = (bytes: Buffer): Buffer => bytes;
const own = 'type.googleapis.com/google.protobuf.StringValue' as const;

const messages: Readonly<Record<NamedKind, object>> = {
  cluster: { name: 'x' },
  endpoint: { cluster_name: 'x' },
  secret: { name: 'x' },
  listener: { name: 'x' },
  route: { name: 'x' },
  'locality-endpoint': { endpoint: {} },
  'extension-config': { name: 'x' },
  'scoped-route': { name: 'x' },
  'virtual-host': { name: 'x', domains: ['x'] },
  runtime: { name: 'x' },
};

describe('the services of each type', () => {
  let harness: AdsHarness;
  let client: Client;

  before(async () => {
    harness = await startAds(0, undefined, { otherTypes: [own] });
    client = new Client(`127.0.0.1:${harness.port}`, credentials.createInsecure());
    const resources = xdsKinds.map((kind) =>
      resourceOf(kind, kind === 'virtual-host' ? 'r/x' : 'x', messages[kind]),
    );
    harness.cache.set(
      NODE_ID,
      Snapshot.of([...resources, resourceOf(own, 'x', { value: 'mine' })]),
    );
  });
  after(() => {
    client.close();
    harness.close();
  });

  async function first(path: string, request: Buffer): Promise<Buffer | number> {
    const call: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(
      path,
      identity,
      identity,
      new Metadata(),
    );
    let outcome: Buffer | number | null = null;
    call.on('error', () => {});
    call.on('data', (bytes: Buffer) => {
      outcome ??= bytes;
    });
    call.on('status', ({ code }) => {
      outcome ??= code;
    });
    call.write(request);
    await until('it was answered', () => outcome !== null);
    call.cancel();
    return outcome ?? assert.fail('just seen');
  }
  const sotw = (typeUrl: string, resourceNames: string[]) =>
    encodeDiscoveryRequest({
      versionInfo: '',
      node: nodeBytes,
      resourceNames,
      typeUrl,
      responseNonce: '',
      errorDetail: null,
    });
  const delta = (typeUrl: string, subscribe: string[]) =>
    encodeDeltaDiscoveryRequest({
      node: nodeBytes,
      typeUrl,
      subscribe,
      unsubscribe: [],
      initialResourceVersions: new Map(),
      responseNonce: '',
      errorDetail: null,
    });

  for (const { kind, name, sotwMethod, deltaMethod } of xdsServices) {
    if (kind === null) continue;
    const resourceName = kind === 'virtual-host' ? 'r/x' : 'x';
    test(`${kind}: its streams need no type_url and refuse another type`, async () => {
      const path = `/${name}/${deltaMethod}`;
      const bytes = await first(path, delta('', [resourceName]));
      assert.ok(typeof bytes !== 'number', `status ${bytes}`);
      const response = decodeDeltaDiscoveryResponse(bytes);
      assert.deepEqual(
        response.resources.map((resource) => resource.name),
        [resourceName],
      );
      assert.equal(response.typeUrl, typeUrlOfKind(kind));
      assert.equal(await first(path, delta(own, ['x'])), status.INVALID_ARGUMENT);
      if (sotwMethod === null) return;
      const names = isFullStateKind(kind) ? [] : ['x'];
      const answer = await first(`/${name}/${sotwMethod}`, sotw(typeUrlOfKind(kind), names));
      assert.ok(typeof answer !== 'number', `status ${answer}`);
      assert.equal(decodeDiscoveryResponse(answer).resources.length, 1);
    });
  }

  test('a type of somebody’s own is served on the aggregated stream, by name and whole', async () => {
    const [aggregated] = xdsServices;
    const path = `/${aggregated?.name}/${aggregated?.deltaMethod}`;
    for (const names of [['x'], []]) {
      const bytes = await first(path, delta(own, names));
      assert.ok(typeof bytes !== 'number');
      const { resources } = decodeDeltaDiscoveryResponse(bytes);
      assert.deepEqual(
        resources.map(({ name }) => name),
        ['x'],
      );
    }
  });

  test('a node with a stream per type is one node, in sync when each is', async () => {
    const calls = (['cluster', 'endpoint'] as const).map((kind) => {
      const service = xdsServices.find((one) => one.kind === kind);
      const path = `/${service?.name}/${service?.deltaMethod}`;
      const call: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(
        path,
        identity,
        identity,
        new Metadata(),
      );
      call.on('error', () => {});
      call.on('data', (bytes: Buffer) => {
        const { nonce: responseNonce } = decodeDeltaDiscoveryResponse(bytes);
        call.write(
          encodeDeltaDiscoveryRequest({
            node: null,
            typeUrl: '',
            subscribe: [],
            unsubscribe: [],
            initialResourceVersions: new Map(),
            responseNonce,
            errorDetail: kind === 'endpoint' ? { code: 3, message: 'no' } : null,
          }),
        );
      });
      call.write(delta('', ['x']));
      return call;
    });
    const status = (kind: string) =>
      harness.ads.tracker.node(NODE_ID)?.types.find((type) => type.kind === kind)?.status;
    await until('both were answered', () => {
      return status('cluster') === 'SYNCED' && status('endpoint') === 'NACKED';
    });
    calls[1]?.cancel();
    await until('one is gone', () => harness.ads.stats.streamsActive === 1);
    assert.equal(harness.ads.tracker.node(NODE_ID)?.isConnected, true);
    assert.equal(status('endpoint'), 'NACKED', 'the refusal outlives its stream');
    assert.equal(harness.ads.tracker.connectedCount, 1);
    calls[0]?.cancel();
  });
});
