// Envoy and our sidecar with one configuration: a listener in front of clusters.

import { type Sidecar, startSidecar } from '../../integration/sidecar.ts';
import { findPeer } from '../peers.ts';
import { type RunningProxy, startProxy } from '../proxies.ts';

export interface Pair {
  readonly envoyPort: number;
  readonly remoraPort: number;
  /** Values by name of the stats whose name matches. */
  stats(of: 'envoy' | 'remora', pattern: RegExp): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

/** Before the router, and before the connection manager. */
export interface Filters {
  readonly http: readonly object[];
  readonly network: readonly object[];
}

/** Both with a listener for HTTP and these routes. */
export function startPair(
  clusters: readonly object[],
  routes: readonly object[],
  filters: Filters = { http: [], network: [] },
): Promise<Pair> {
  return startPairOf(clusters, [...filters.network, connectionManager(routes, filters.http)]);
}

/** Both with a listener of these network filters. */
export async function startPairOf(
  clusters: readonly object[],
  networkFilters: readonly object[],
): Promise<Pair> {
  let envoy: RunningProxy | null = null;
  let remora: Sidecar | null = null;
  const stop = async () => {
    await envoy?.stop();
    await remora?.stop();
  };
  try {
    const running = await startProxy('envoy', findPeer('envoy') ?? '', ({ listen, admin }) =>
      JSON.stringify({
        admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
        static_resources: { listeners: [listener(listen, networkFilters)], clusters },
      }),
    );
    envoy = running;
    const text = JSON.stringify({
      static_resources: { listeners: [listener(0, networkFilters)], clusters },
    });
    // The sidecar's own admin section is a line of YAML before ours.
    const sidecar = await startSidecar(
      `static_resources: ${text.slice('{"static_resources":'.length, -1)}\n`,
    );
    remora = sidecar;
    return {
      envoyPort: running.ports.listen,
      remoraPort: sidecar.port('ingress'),
      stats: async (of, pattern) => {
        const text = of === 'envoy' ? await running.admin('/stats') : await sidecar.admin('/stats');
        const lines = text.split('\n').map((line) => line.split(': '));
        const chosen = lines.filter(([name = '']) => pattern.test(name));
        return Object.fromEntries(chosen.map(([name, value]) => [name, Number(value)]));
      },
      stop,
    };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}

function connectionManager(routes: readonly object[], httpFilters: readonly object[]): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type':
        'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      stat_prefix: 'ingress',
      generate_request_id: false,
      route_config: {
        name: 'local',
        virtual_hosts: [{ name: 'all', domains: ['*'], routes }],
      },
      http_filters: [
        ...httpFilters,
        {
          name: 'envoy.filters.http.router',
          typed_config: {
            '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
          },
        },
      ],
    },
  };
}

function listener(port: number, filters: readonly object[]): object {
  return {
    name: 'ingress',
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [{ filters }],
  };
}
