// A control plane of your own: every sidecar that connects gets one listener, whose requests go to one backend.
// node control-plane.ts [xDS port] [listener port] [backend port]

import { resourceFromJson, startXdsServer } from 'remora/xds-server';

const [xdsPort = 18000, listenerPort = 10000, backendPort = 8080] = process.argv
  .slice(2)
  .map(Number);
const ads = { ads: {}, resource_api_version: 'V3' };
const at = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
const router = { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' };
const http = {
  '@type':
    'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
  stat_prefix: 'web',
  rds: { route_config_name: 'web', config_source: ads },
  http_filters: [{ name: 'envoy.filters.http.router', typed_config: router }],
};
const route = { match: { prefix: '/' }, route: { cluster: 'backend' } };

const server = await startXdsServer({ port: xdsPort, groupOf: () => 'everybody' });
server.set('everybody', [
  resourceFromJson('cluster', {
    name: 'backend',
    type: 'EDS',
    connect_timeout: '1s',
    eds_cluster_config: { eds_config: ads },
  }),
  resourceFromJson('endpoint', {
    cluster_name: 'backend',
    endpoints: [{ lb_endpoints: [{ endpoint: { address: at(backendPort) } }] }],
  }),
  resourceFromJson('route', {
    name: 'web',
    virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }],
  }),
  resourceFromJson('listener', {
    name: 'web',
    address: at(listenerPort),
    filter_chains: [{ filters: [{ name: 'http', typed_config: http }] }],
  }),
]);
console.log(`xDS on 127.0.0.1:${server.port}`);
