// The whole control plane on its ports: discovery by REST, counters for Prometheus, the guard against a mesh that
// vanishes, and what a node may ask for.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ControlPlane, runControlPlane } from '../../controlplane/main.ts';
import { until } from '../fakes/until.ts';

const SERVICES = 12;

function mesh(count: number): string {
  const objects = Array.from(
    { length: count },
    (_, i) => `---
apiVersion: remora.dev/v1
kind: Service
metadata: {name: s${i}}
spec: {ports: [{port: 80}]}
`,
  );
  const workload = `---
apiVersion: remora.dev/v1
kind: Workload
metadata: {name: one}
spec: {service: s0, address: 127.0.0.1, inboundPort: 1, outboundPort: 2, appPort: 3}
`;
  return [...objects, workload].join('');
}

describe('the ports of the control plane', () => {
  const directory = mkdtempSync(join(tmpdir(), 'remora-cp-'));
  const file = join(directory, 'mesh.yaml');
  let controlPlane: ControlPlane;

  const ask = async (path: string, body: object) => {
    const url = `http://127.0.0.1:${controlPlane.restXdsPort}/v3/discovery:${path}`;
    const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
    return { status: response.status, text: await response.text() };
  };
  const node = { id: 'default/one' };
  const clusterCount = async () =>
    JSON.parse((await ask('clusters', { node })).text).resources?.length ?? 0;
  const metric = async (name: string) => {
    const response = await fetch(`http://127.0.0.1:${controlPlane.restPort}/metrics`);
    const line = (await response.text()).split('\n').find((one) => one.startsWith(`${name} `));
    return Number(line?.split(' ')[1]);
  };

  before(async () => {
    writeFileSync(file, mesh(SERVICES));
    controlPlane = await runControlPlane({
      config: file,
      stateDir: null,
      xds: { address: '127.0.0.1', port: 0 },
      plaintextXdsPort: null,
      restXdsPort: 0,
      rest: { address: '127.0.0.1', port: 0 },
      apiToken: null,
      graceMs: 30_000,
      logLevel: 'off',
    });
    await until('the node has a certificate', async () => {
      return (await ask('clusters', { node })).status === 200;
    });
  });
  after(async () => {
    await controlPlane.close();
    rmSync(directory, { recursive: true });
  });

  test('REST gives a node its resources, and 304 to who has them', async () => {
    const { text } = await ask('clusters', { node });
    const { version_info, resources } = JSON.parse(text);
    assert.equal(resources.length, SERVICES + 1, 'outbound ones and its own inbound one');
    assert.equal((await ask('clusters', { node, version_info })).status, 304);
    assert.ok((await metric('remora_cp_fetches_unchanged_total')) >= 1);
  });

  test('XD-17: its own secrets by their names, and no others', async () => {
    const names = ['default', 'ROOTCA'];
    const own = await ask('secrets', { node, resource_names: names });
    assert.equal(JSON.parse(own.text).resources.length, 2);
    for (const name of ['*', 'default/other', '../ROOTCA']) {
      assert.equal((await ask('secrets', { node, resource_names: [name] })).status, 403);
    }
    assert.equal(await metric('remora_cp_streams_denied_total'), 3);
    assert.equal((await ask('clusters', { node: { id: 'default/nobody' } })).status, 403);
  });

  test('a poll of a gRPC client leaves nothing behind', async () => {
    for (let i = 0; i < 3; i++) {
      const grpc = { id: `made-up-${i}/x`, user_agent_name: 'gRPC Go' };
      const { status, text } = await ask('clusters', { node: grpc });
      assert.equal(status, 403);
      assert.match(text, /not by polling/);
    }
  });

  test('XD-22: most of the mesh gone at once is held back until somebody says that it is meant', async () => {
    const before = await clusterCount();
    writeFileSync(file, mesh(2));
    await until(
      'it is held back',
      async () => (await metric('remora_cp_snapshots_held_back')) === 1,
    );
    assert.equal(await clusterCount(), before);
    const rest = `http://127.0.0.1:${controlPlane.restPort}`;
    const info = await (await fetch(`${rest}/v1/info`)).json();
    assert.deepEqual(Object.keys((info as { heldBack: object }).heldBack), ['default/one']);
    const released = await fetch(`${rest}/v1/xds/release`, { method: 'POST' });
    assert.deepEqual(await released.json(), { released: ['default/one'] });
    assert.equal(await clusterCount(), 3);
    assert.equal(await metric('remora_cp_snapshots_held_back'), 0);
  });
});
