// Our ADS server drives a proxyless gRPC client, @grpc/grpc-js-xds: SotW with explicit names, never wildcard,
// each name asked for as the one before refers to it. The snapshot holds more than the client asks for.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client, credentials } from '@grpc/grpc-js';
import { type AdsHarness, startAds, until } from '../fakes/ads-harness.ts';
import { apiListener, assignment, edsCluster, resourceOf, routes } from '../fakes/xds-resources.ts';
import { type Backend, identity, startBackend, WHO } from './xds-clients/echo.ts';

const NODE = 'grpc-1';
let harness: AdsHarness;
let blue: Backend;
let green: Backend;
let client: Client;

// What nobody of this test asks for: a server that waits until all names are asked for would hang.
const others = [edsCluster('other'), assignment('other', 9), routes('other', { '/': 'other' })];

function call(): Promise<string> {
  return new Promise((resolve) => {
    const deadline = new Date(Date.now() + 4000);
    client.makeUnaryRequest(
      WHO,
      identity,
      identity,
      Buffer.alloc(0),
      { deadline },
      (error, value) =>
        resolve(error === null ? String(value) : `error ${error.code}: ${error.details}`),
    );
  });
}

before(async () => {
  blue = await startBackend('blue');
  green = await startBackend('green');
  harness = await startAds();
  harness.publish(
    NODE,
    ...others,
    apiListener('echo', 'echo-routes'),
    routes('echo-routes', { '': 'blue' }),
    edsCluster('blue'),
    assignment('blue', blue.port),
  );
  process.env['GRPC_XDS_BOOTSTRAP_CONFIG'] = JSON.stringify({
    xds_servers: [
      {
        server_uri: `127.0.0.1:${harness.port}`,
        channel_creds: [{ type: 'insecure' }],
        server_features: ['xds_v3'],
      },
    ],
    node: { id: NODE, locality: {} },
  });
  // Reads the environment when it is loaded.
  const { register } = await import('@grpc/grpc-js-xds');
  register();
  client = new Client('xds:///echo', credentials.createInsecure());
});

after(() => {
  client?.close();
  harness?.close();
  blue?.close();
  green?.close();
});

test('a proxyless client resolves its target and calls', async () => {
  assert.equal(await call(), 'blue');
  await until('it is in sync', () => {
    const types = harness.ads.tracker.node(NODE)?.types ?? [];
    const asked = types.filter(({ kind }) => kind !== 'secret');
    return asked.length > 0 && asked.every(({ status }) => status === 'SYNCED');
  });
});

test('it follows a route to a cluster that it had not asked for before', async () => {
  harness.publish(
    NODE,
    ...others,
    apiListener('echo', 'echo-routes'),
    routes('echo-routes', { '': 'green' }),
    edsCluster('green'),
    assignment('green', green.port),
  );
  await until('green answers', async () => (await call()) === 'green');
});

test('it follows changed endpoints', async () => {
  harness.publish(
    NODE,
    ...others,
    apiListener('echo', 'echo-routes'),
    routes('echo-routes', { '': 'green' }),
    edsCluster('green'),
    assignment('green', blue.port),
  );
  await until('blue answers', async () => (await call()) === 'blue');
});

test('it NACKs what it cannot do, keeps working, and the reason is known', async () => {
  harness.publish(
    NODE,
    ...others,
    apiListener('echo', 'echo-routes'),
    routes('echo-routes', { '': 'green' }),
    resourceOf('cluster', 'green', { name: 'green', type: 'STATIC' }),
    assignment('green', blue.port),
  );
  await until('the NACK is known', () => {
    const types = harness.ads.tracker.node(NODE)?.types ?? [];
    return types.find(({ kind }) => kind === 'cluster')?.status === 'NACKED';
  });
  assert.equal(await call(), 'blue');
  const sent = harness.ads.stats.responsesTotal.of('cluster');
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(harness.ads.stats.responsesTotal.of('cluster'), sent, 'a hot loop');
});
