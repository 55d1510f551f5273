// Runtime in a whole sidecar of two workers: what changes is in force in both at once, for connections that are open too.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { startSidecar } from './sidecar.ts';

const bootstrap = `
node: {id: a, cluster: b}
layered_runtime: {layers: [{name: s, static_layer: {share: 0}}, {name: adm, admin_layer: {}}]}
static_resources:
  listeners:
    - name: l
      address: {socket_address: {address: 127.0.0.1, port_value: 0}}
      filter_chains:
        - filters:
            - name: hcm
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: in
                route_config:
                  virtual_hosts:
                    - name: a
                      domains: ["*"]
                      routes:
                        - {match: {prefix: /, runtime_fraction: {default_value: {numerator: 100}, runtime_key: share}}, direct_response: {status: 201}}
                        - {match: {prefix: /}, direct_response: {status: 200}}
                http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
`;

test('every worker obeys at once, on connections that are open', async () => {
  const sidecar = await startSidecar(bootstrap, { concurrency: 2 });
  const agents = Array.from({ length: 8 }, () => new http.Agent({ keepAlive: true }));
  const statuses = (): Promise<number[]> =>
    Promise.all(
      agents.map(
        (agent) =>
          new Promise<number>((resolve, reject) => {
            http
              .get({ host: '127.0.0.1', port: sidecar.port('l'), agent }, (response) => {
                response.resume().on('end', () => resolve(response.statusCode ?? 0));
              })
              .on('error', reject);
          }),
      ),
    );
  const all = (status: number): number[] => agents.map(() => status);
  assert.deepEqual(await statuses(), all(200));
  assert.equal(await sidecar.admin('/runtime_modify?share=100', 'POST'), 'OK\n');
  assert.deepEqual(await statuses(), all(201));
  await sidecar.admin('/runtime_modify?share=', 'POST');
  assert.deepEqual(await statuses(), all(200));
  await sidecar.untilStat('http.in.downstream_cx_total', (total) => total === agents.length);
  assert.match(
    await sidecar.admin('/runtime_modify?envoy.reloadable_features.x=true', 'POST'),
    /^not supported yet \(runtime key envoy\.reloadable_features\.x\)$/m,
  );
  for (const agent of agents) agent.destroy();
  await sidecar.stop();
});
