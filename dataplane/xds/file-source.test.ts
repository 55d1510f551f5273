import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLogger } from '../../common/logger.ts';
import { encodeDiscoveryResponse } from '../../proto/discovery.ts';
import { pathSource } from '../../test/fakes/config-source.ts';
import { FakeTimers } from '../../test/fakes/timers.ts';
import { setUpXdsClient } from '../../test/fakes/xds-client-setup.ts';
import { resourceOf } from '../../test/fakes/xds-resources.ts';
import { FakeFiles } from '../../test/fakes/xds-sources.ts';
import type { ConfigSource, PathSource } from '../api/config/config-source.ts';
import { typeUrlOf } from '../api/resource-compiler.ts';
import { FileSource } from './file-source.ts';
import { resourceFiles } from './resource-files.ts';
import type { Update } from './resource-source.ts';

const cluster = (name: string, more: object = {}) => ({
  '@type': typeUrlOf.cluster,
  name,
  ...more,
});
const secret = (name: string) => ({ '@type': typeUrlOf.secret, name });
const text = (version: string, ...resources: object[]) =>
  JSON.stringify({ version_info: version, resources });

function setUp(first: string | Buffer, source: ConfigSource = pathSource('/etc/cds.yaml')) {
  const world = setUpXdsClient({ cds: source, lds: null });
  world.files.put('/etc/cds.yaml', first);
  world.client.start();
  const counts = () => {
    const stats = world.collect();
    return ['attempt', 'success', 'failure', 'rejected'].map(
      (name) => stats[`cluster_manager.cds.update_${name}`],
    );
  };
  return { ...world, counts };
}

test('a file is read at the start, and again when it is moved there, not when it is written', () => {
  const { files, sink, client, collect, counts } = setUp(text('1', cluster('a')));
  assert.deepEqual(sink.take(), ['cluster a', 'initialized']);
  files.put('/etc/cds.yaml', text('2', cluster('b')));
  files.tell('/etc', false, 'cds.yaml');
  files.tell('/etc', true, 'other.yaml');
  assert.deepEqual(sink.take(), []);
  files.move('/etc/cds.yaml', text('3', cluster('c')));
  assert.deepEqual(sink.take(), ['cluster c', '-cluster a']);
  assert.equal(collect()['cluster_manager.cds.version_text'], '3');
  assert.deepEqual(counts(), [2, 2, 0, 0]);
  client.stop();
  assert.equal(files.watchCount, 0);
});

test('equal content again changes nothing', () => {
  const { files, sink, compiler, counts } = setUp(text('1', cluster('a')));
  sink.take();
  const { compiled } = compiler;
  files.move('/etc/cds.yaml', text('1', cluster('a')));
  assert.deepEqual(sink.take(), []);
  assert.equal(compiler.compiled, compiled);
  assert.deepEqual(counts(), [2, 2, 0, 0]);
});

test('a file that cannot be read as one counts as failed, and the last good content stays', () => {
  const { files, sink, counts } = setUp(text('1', cluster('a')));
  sink.take();
  for (const bad of ['not: [yaml', '', '[]', '{resources: 5}']) files.move('/etc/cds.yaml', bad);
  assert.deepEqual(sink.take(), []);
  assert.deepEqual(counts(), [5, 1, 4, 0]);
  // A file that is gone is not even looked at, as in Envoy.
  files.remove('/etc/cds.yaml');
  files.tell('/etc', true, 'cds.yaml');
  assert.deepEqual(counts(), [5, 1, 4, 0]);
});

test('of a file with a bad resource the good ones are used; it counts as rejected', () => {
  const { files, sink, client, counts } = setUp(text('1', cluster('a')));
  sink.take();
  const bad = [
    cluster('negative', { connect_timeout: '-1s' }),
    cluster('wrong', { connect_timeout: 'soon' }),
    { '@type': 'type.googleapis.com/no.such.Type', name: 'unknown' },
  ];
  files.move('/etc/cds.yaml', text('2', cluster('b'), ...bad));
  assert.deepEqual(sink.take(), ['cluster b', '-cluster a']);
  assert.deepEqual(counts(), [2, 1, 0, 1]);
  const errors = client.dump().flatMap(({ name, error }) => (error ? [[name, error.details]] : []));
  assert.deepEqual(errors, [
    ['negative', 'connect_timeout: must be > 0'],
    ['unknown', 'unknown type "type.googleapis.com/no.such.Type"'],
    ['wrong', 'connect_timeout: expected a duration such as "1.5s", got the string "soon"'],
  ]);
});

test('a protobuf file by its extension .pb, a resource in a Resource', () => {
  const { name, bytes, typeUrl } = resourceOf('cluster', 'p', { name: 'p' });
  const response = encodeDiscoveryResponse({
    versionInfo: 'b',
    typeUrl: '',
    nonce: '',
    controlPlane: '',
    resources: [{ typeUrl, value: bytes }],
  });
  const world = setUpXdsClient({ cds: pathSource('/etc/cds.pb'), lds: null });
  world.files.put('/etc/cds.pb', response);
  world.client.start();
  assert.deepEqual(world.sink.take(), [`cluster ${name}`, 'initialized']);
  const wrapper = '{"@type": type.googleapis.com/envoy.service.discovery.v3.Resource, name: w, ';
  const { sink } = setUp(
    `resources: [${wrapper} resource: {"@type": ${typeUrlOf.cluster}, name: w}}]`,
  );
  assert.deepEqual(sink.take(), ['cluster w', 'initialized']);
});

test('with watched_directory whatever is moved into it tells that the file may be new', () => {
  const source = pathSource('/etc/cds.yaml', { watchedDirectory: '/mnt' });
  const { files, sink, counts } = setUp(text('1', cluster('a')), source);
  files.put('/etc/cds.yaml', text('2', cluster('b')));
  files.tell('/etc', true, 'cds.yaml');
  assert.deepEqual(counts(), [1, 1, 0, 0]);
  files.tell('/mnt', true, '..data');
  assert.ok(sink.clusters.has('b'));
  assert.deepEqual(counts(), [2, 2, 0, 0]);
  // It is the same file still.
  files.tell('/mnt', true, 'other');
  assert.deepEqual(counts(), [2, 2, 0, 0]);
});

test('watch_modify reads what is written in place, poll_interval looks again and again', () => {
  const modify = setUp(
    text('1', cluster('a')),
    pathSource('/etc/cds.yaml', { watchedDirectory: '/etc', watchModify: true }),
  );
  modify.files.put('/etc/cds.yaml', text('2', cluster('b')));
  modify.files.tell('/etc', false, 'cds.yaml');
  assert.ok(modify.sink.clusters.has('b'));
  const poll = setUp(
    text('1', cluster('a')),
    pathSource('/etc/cds.yaml', { pollIntervalMs: 2000 }),
  );
  poll.files.put('/etc/cds.yaml', text('2', cluster('b')));
  poll.timers.advance(1999);
  assert.ok(!poll.sink.clusters.has('b'));
  poll.timers.advance(1);
  assert.ok(poll.sink.clusters.has('b'));
  poll.client.stop();
  assert.equal(poll.timers.armedCount(), 0);
});

test('a name that its file does not have is not waited for, and counts as rejected', () => {
  const source = pathSource('/etc/sds.yaml');
  const world = setUpXdsClient({
    cds: null,
    lds: null,
    staticReferences: ['here', 'elsewhere'].map((name) => ({ kind: 'secret', name, source })),
  });
  world.files.put('/etc/sds.yaml', text('1', secret('here'), secret('unasked')));
  world.client.start();
  assert.ok(world.client.initialized);
  const stats = world.collect();
  assert.equal(stats['sds.here.update_success'], 1);
  assert.equal(stats['sds.elsewhere.update_rejected'], 1);
  assert.deepEqual([...world.sink.secrets.keys()], ['here']);
});

test('a file that nobody wants any more is not watched any more', () => {
  const source = pathSource('/etc/sds.yaml');
  const { server, files, sink, client } = setUpXdsClient({
    lds: null,
    compiler: {
      compile: (kind, _bytes, _from, name = '') => ({
        ok: true,
        resource: {
          kind,
          name: kind === 'cluster' ? name : 's',
          data: { name },
          references: name === 'user' ? [{ kind: 'secret', name: 's', source }] : [],
          clusters: [],
          hash: name,
          warnings: [],
        },
      }),
    },
  });
  files.put('/etc/sds.yaml', text('1', secret('s')));
  client.start();
  server.call.delta('cluster', [resourceOf('cluster', 'user', { name: 'user' })]);
  assert.equal(files.watchCount, 1);
  assert.ok(sink.clusters.has('user'));
  server.call.delta('cluster', [], ['user']);
  assert.equal(files.watchCount, 0);
});

test('a link that is swapped as Kubernetes does is followed (real files)', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'file-source-'));
  context.after(() => rmSync(directory, { recursive: true }));
  for (const version of ['v1', 'v2']) {
    mkdirSync(join(directory, `..${version}`));
    writeFileSync(join(directory, `..${version}`, 'cds.json'), text(version, cluster(version)));
  }
  const link = (to: string): void => {
    symlinkSync(to, join(directory, '..new'));
    renameSync(join(directory, '..new'), join(directory, '..data'));
  };
  link('..v1');
  symlinkSync('..data/cds.json', join(directory, 'cds.json'));
  const versions: string[] = [];
  let onUpdate: () => void = () => {};
  const source = new FileSource(
    {
      source: pathSource(join(directory, 'cds.json'), { watchedDirectory: directory }),
      files: resourceFiles,
      timers: new FakeTimers(),
      logger: silentLogger(),
    },
    {
      receive: ({ versionText }: Update) => {
        versions.push(versionText);
        onUpdate();
        return null;
      },
      settle: () => {},
      knownVersions: () => new Map(),
      onRequest: () => {},
      onFailure: () => {},
    },
  );
  source.start();
  context.after(() => source.stop());
  const second = new Promise<void>((resolve) => {
    onUpdate = () => {
      if (versions.includes('v2')) resolve();
    };
  });
  // The watch itself does not keep the process.
  const keep = setInterval(() => {}, 1000);
  context.after(() => clearInterval(keep));
  source.subscribeToAll('cluster');
  link('..v2');
  await second;
  assert.deepEqual(versions, ['v1', 'v2']);
});

test('a file that nobody wants any more is neither watched nor polled; wanted again, it is', () => {
  const { files, source, timers, updates } = alone({ pollIntervalMs: 100 });
  source.start();
  assert.deepEqual([files.watchCount, timers.armedCount()], [0, 0]);
  source.changeNames('route', ['a'], []);
  source.subscribeToAll('cluster');
  assert.deepEqual([files.watchCount, timers.armedCount()], [1, 1]);
  source.changeNames('route', [], ['a']);
  assert.equal(files.watchCount, 1);
  source.unsubscribeFromAll('cluster');
  assert.deepEqual([files.watchCount, timers.armedCount()], [0, 0]);
  updates.length = 0;
  source.changeNames('route', ['b'], []);
  files.move('/etc/rds.yaml', text('2'));
  assert.deepEqual(updates, ['route 1', 'route 2']);
  source.stop();
  assert.deepEqual([files.watchCount, timers.armedCount()], [0, 0]);
});

function alone(overrides: Partial<PathSource>) {
  const files = new FakeFiles();
  const timers = new FakeTimers();
  const updates: string[] = [];
  files.put('/etc/rds.yaml', text('1'));
  const source = new FileSource(
    { source: pathSource('/etc/rds.yaml', overrides), files, timers, logger: silentLogger() },
    {
      receive: ({ kind, versionText }) => {
        updates.push(`${kind} ${versionText}`);
        return null;
      },
      settle: () => {},
      knownVersions: () => new Map(),
      onRequest: () => {},
      onFailure: () => {},
    },
  );
  return { files, source, timers, updates };
}
