import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, type ClientDuplexStream, credentials, Metadata, status } from '@grpc/grpc-js';
import { adsPath, decodeDiscoveryResponse, encodeDiscoveryRequest } from '../../proto/discovery.ts';
import { startAds, until } from '../../test/fakes/ads-harness.ts';
import { NODE_ID, nodeBytes } from '../../test/fakes/ads-node.ts';
import { edsCluster } from '../../test/fakes/xds-resources.ts';
import { typeUrlOfKind } from '../cache/kinds.ts';

type Call = ClientDuplexStream<Buffer, Buffer>;
const identity = (bytes: Buffer): Buffer => bytes;

function open(client: Client, metadata = new Metadata()): Call & { outcome: number | null } {
  const call = client.makeBidiStreamRequest(adsPath.sotw, identity, identity, metadata);
  const watched = Object.assign(call, { outcome: null as number | null });
  call.on('error', () => {});
  call.on('status', ({ code }) => {
    watched.outcome = code;
  });
  return watched;
}

const request = (node: Uint8Array | null = nodeBytes) =>
  encodeDiscoveryRequest({
    versionInfo: '',
    node,
    resourceNames: [],
    typeUrl: typeUrlOfKind('cluster'),
    responseNonce: '',
    errorDetail: null,
  });

test('many streams are told of a snapshot in slices', async () => {
  const slices: (() => void)[] = [];
  const harness = await startAds(0, undefined, { schedule: (run) => slices.push(run) });
  const client = new Client(`127.0.0.1:${harness.port}`, credentials.createInsecure());
  let responses = 0;
  const calls = Array.from({ length: 40 }, () => {
    const call = open(client);
    call.on('data', () => responses++);
    call.write(request());
    return call;
  });
  await until('all are there', () => harness.ads.tracker.nodes().length === 1);
  await until('all have asked', () => harness.ads.stats.streamsActive === 40);
  harness.publish(NODE_ID, edsCluster('a'));
  assert.equal(slices.length, 1);
  slices.shift()?.();
  const first = harness.ads.stats.responsesTotal.of('cluster');
  assert.ok(first > 0 && first < 40, `${first} in the first slice`);
  while (slices.length > 0) slices.shift()?.();
  await until('all were answered', () => responses === 40);
  for (const call of calls) call.cancel();
  client.close();
  harness.close();
});

test('peer facts reach the authenticator, and a refusal reaches the peer', async () => {
  const seen: string[] = [];
  const harness = await startAds(0, undefined, {
    authenticate: (peer, node) => {
      seen.push(`${node.id} ${peer.metadata.get('authorization')} ${peer.certificate}`);
      return { ok: false, reason: 'no' };
    },
  });
  const client = new Client(`127.0.0.1:${harness.port}`, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('authorization', 'Bearer x');
  const call = open(client, metadata);
  call.on('data', () => {});
  call.write(request());
  await until('the call ended', () => call.outcome !== null);
  assert.equal(call.outcome, status.PERMISSION_DENIED);
  assert.deepEqual(seen, [`${NODE_ID} Bearer x null`]);
  assert.equal(harness.ads.stats.streamsActive, 0);
  client.close();
  harness.close();
});

test('a client that half-closes is let go, and one that vanishes is forgotten', async () => {
  const opened: string[] = [];
  const closed: string[] = [];
  const harness = await startAds(0, undefined, {
    onStreamOpened: (key) => opened.push(key),
    onStreamClosed: (key) => closed.push(key),
  });
  harness.publish(NODE_ID, edsCluster('a'));
  const client = new Client(`127.0.0.1:${harness.port}`, credentials.createInsecure());
  const polite = open(client);
  const gone = open(client);
  const got: string[] = [];
  for (const call of [polite, gone]) {
    call.on('data', (bytes: Buffer) => got.push(decodeDiscoveryResponse(bytes).controlPlane));
    call.write(request());
  }
  await until('both were answered', () => got.length === 2);
  polite.end();
  gone.cancel();
  await until('both are gone', () => harness.ads.stats.streamsActive === 0);
  assert.equal(polite.outcome, status.OK);
  assert.deepEqual(
    [opened, closed],
    [
      [NODE_ID, NODE_ID],
      [NODE_ID, NODE_ID],
    ],
  );
  client.close();
  harness.close();
});

test('disconnect and close end streams with a reason', async () => {
  const harness = await startAds();
  harness.publish(NODE_ID, edsCluster('a'));
  const client = new Client(`127.0.0.1:${harness.port}`, credentials.createInsecure());
  for (const [end, code] of [
    [() => harness.ads.disconnect(NODE_ID, 'revoked'), status.PERMISSION_DENIED],
    [() => harness.ads.close(), status.UNAVAILABLE],
  ] as const) {
    const call = open(client);
    let answered = false;
    call.on('data', () => {
      answered = true;
    });
    call.write(request());
    await until('it was answered', () => answered);
    end();
    await until('the call ended', () => call.outcome !== null);
    assert.equal(call.outcome, code);
  }
  client.close();
  harness.close();
});
