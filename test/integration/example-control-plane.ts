// Starts examples/xds-server/control-plane.ts as its users do, in a process of its own, with a backend that says hello.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { freePort } from '../interop/proxies.ts';

export interface ExampleControlPlane {
  /** Of a sidecar; without an admin section. */
  readonly bootstrap: string;
  /** GET / through the sidecar's listener. */
  get(): Promise<string>;
  stop(): Promise<void>;
}

const program = fileURLToPath(
  new URL('../../examples/xds-server/control-plane.ts', import.meta.url),
);

export async function startExampleControlPlane(): Promise<ExampleControlPlane> {
  const backend = createServer((_request, response) => response.end('hello'));
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve));
  const backendPort = (backend.address() as AddressInfo).port;
  const listenerPort = await freePort();
  // Without a build there is no dist/ to take the library from.
  const child = spawn(
    process.execPath,
    ['--conditions=remora-source', program, '0', String(listenerPort), String(backendPort)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = /:(\d+)$/m.exec(String(line))?.[1];
  return {
    bootstrap: `
node: {id: anybody, cluster: test}
dynamic_resources:
  ads_config:
    api_type: DELTA_GRPC
    transport_api_version: V3
    grpc_services: [{envoy_grpc: {cluster_name: ads}}]
  cds_config: {ads: {}, resource_api_version: V3}
  lds_config: {ads: {}, resource_api_version: V3}
static_resources:
  clusters:
    - name: ads
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: {http2_protocol_options: {}}
      load_assignment:
        cluster_name: ads
        endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${port}}}}}]}]
`,
    get: async () => (await fetch(`http://127.0.0.1:${listenerPort}/`)).text(),
    stop: async () => {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
      backend.closeAllConnections();
      backend.close();
    },
  };
}
