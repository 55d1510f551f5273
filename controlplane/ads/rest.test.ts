import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { assignment, edsCluster, resourceOf } from '../../test/fakes/xds-resources.ts';
import { Snapshot } from '../cache/snapshot.ts';
import { SnapshotCache } from '../cache/snapshot-cache.ts';
import { AdsStats } from './ads-stats.ts';
import { restDiscovery } from './rest.ts';

describe('REST discovery', () => {
  const cache = new SnapshotCache();
  const stats = new AdsStats();
  const server = createServer(
    restDiscovery({
      cache,
      stats,
      authenticate: (_peer, { id }) =>
        id === '' ? { ok: false, reason: 'nobody' } : { ok: true, snapshotKey: id, nodeId: id },
      mayAskFor: (key, kind, name) =>
        kind === 'secret' && name !== key ? 'not your secret' : null,
      logger: silentLogger(),
      identifier: 'cp',
      maxBodyBytes: 1000,
    }),
  );
  let url = '';
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: response.status, text: await response.text() };
  };
  const node = { id: 'n' };

  before(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    cache.set(
      'n',
      Snapshot.of([
        edsCluster('a'),
        edsCluster('b'),
        assignment('a', 1),
        resourceOf('secret', 'n', { name: 'n' }),
      ]),
    );
  });
  after(() => server.close());

  test('answers with all, and with 304 to who has that version', async () => {
    const first = await post('/v3/discovery:clusters', { node });
    assert.equal(first.status, 200);
    const response = JSON.parse(first.text);
    assert.deepEqual(
      response.resources.map((r: { '@type': string; name: string }) => [r['@type'], r.name]),
      ['a', 'b'].map((name) => ['type.googleapis.com/envoy.config.cluster.v3.Cluster', name]),
    );
    assert.equal(response.control_plane.identifier, 'cp');
    const version_info = response.version_info;
    assert.equal((await post('/v3/discovery:clusters', { node, version_info })).status, 304);
    const named = { node, version_info, resource_names: ['a'] };
    assert.equal((await post('/v3/discovery:clusters', named)).status, 200);
    assert.equal(stats.fetchesUnchangedTotal, 1);
  });

  test('gives what has no wildcard by name only', async () => {
    const none = JSON.parse((await post('/v3/discovery:endpoints', { node })).text);
    assert.equal((none.resources ?? []).length, 0);
    const one = await post('/v3/discovery:endpoints', { node, resource_names: ['a', 'x'] });
    assert.equal(JSON.parse(one.text).resources.length, 1);
  });

  test('gives nobody what is not his (XD-17)', async () => {
    const secrets = '/v3/discovery:secrets';
    assert.equal((await post(secrets, { node, resource_names: ['*'] })).status, 403);
    assert.equal((await post(secrets, { node, resource_names: ['m'] })).status, 403);
    assert.equal((await post(secrets, { node, resource_names: ['n'] })).status, 200);
    assert.equal((await post(secrets, { resource_names: ['n'] })).status, 403);
    assert.equal(stats.deniedTotal, 2);
    assert.equal(stats.refusedTotal, 1);
  });

  test('says what is wrong with a request', async () => {
    assert.equal((await post('/v3/discovery:clusters', '{')).status, 400);
    assert.equal((await post('/v3/discovery:clusters', { node: 1 })).status, 400);
    assert.equal((await post('/v3/discovery:nothing', { node })).status, 404);
    assert.equal((await fetch(`${url}/v3/discovery:clusters`)).status, 405);
    assert.equal((await post('/v3/discovery:clusters', { node: { id: 'nobody' } })).status, 503);
    const most = JSON.stringify({ node }).padEnd(1000);
    assert.equal((await post('/v3/discovery:clusters', most)).status, 200);
    assert.equal((await post('/v3/discovery:clusters', `${most} `)).status, 413);
  });
});
