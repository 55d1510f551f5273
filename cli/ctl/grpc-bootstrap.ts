// `remora ctl grpc-bootstrap`: prints the file by which a proxyless gRPC program finds its control plane. Asks nobody:
// what it says is checked when the program connects.
// Source: gRFC A27, A29 (certificate providers), A36 (servers), A65 (mTLS to the control plane); docs/proxyless-grpc.md.

import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';

export interface BootstrapFlags {
  readonly node: string;
  readonly server: string;
  readonly certificates?: string;
  readonly tls?: boolean;
  readonly locality?: Locality;
  readonly service?: string;
  readonly version?: string;
  readonly address?: string;
  readonly port?: number;
}

interface Locality {
  readonly region: string;
  readonly zone?: string;
  readonly sub_zone?: string;
}

/** In the directory of --certificates. PEM; the first is the program's own, with what is between it and the roots. */
export const certificateFiles = {
  certificate_file: 'certificate.pem',
  private_key_file: 'private-key.pem',
  ca_certificate_file: 'roots.pem',
} as const;

/** Also what the control plane calls it in clusters (translate/grpc/profile). */
const CERTIFICATE_PROVIDER = 'default';
/** How often the program looks for renewed files. Ours are renewed after half of an hour. */
const REFRESH_INTERVAL = '60s';

export function register(parent: Command): void {
  parent
    .command('grpc-bootstrap')
    .description('print the bootstrap file of a proxyless gRPC program (client or server)')
    .option(
      '--node <id>',
      'who it is, <namespace>/<name>; in the namespace its short names are looked for',
      parseNode,
      `default/${hostname().split('.')[0]?.toLowerCase()}`,
    )
    .option(
      '--server <address>',
      'xDS of the control plane: its --plaintext-xds-port, or with --tls its --xds-port',
      '127.0.0.1:18001',
    )
    .option('--tls', 'xDS itself by mTLS, from anywhere, with --certificates (not for grpc-js)')
    .option(
      '--certificates <dir>',
      `mTLS, by the files ${Object.values(certificateFiles).join(', ')} of this directory`,
    )
    .option('--locality <region/zone/sub-zone>', 'where it runs', parseLocality)
    .option('--service <name>', 'a server: the Service that it is an instance of')
    .option('--port <port>', 'a server: the port that it listens on', parsePort)
    .option('--address <ip>', 'a server: where callers reach it')
    .option('--version <name>', 'a server: its version of the Service')
    .addHelpText(
      'after',
      `
The program finds the file by the variable GRPC_XDS_BOOTSTRAP, and dials xds:///<service>, with or without
namespace and port: xds:///orders, xds:///orders.shop:80. Without --certificates calls go out in plaintext.
A server must use xDS credentials and a server that is xDS-enabled; one that is written as a Workload needs
no --service and no --port, but its --node.

Examples:
  remora ctl grpc-bootstrap > bootstrap.json
  GRPC_XDS_BOOTSTRAP=bootstrap.json ./client xds:///orders
  remora ctl grpc-bootstrap --node shop/web-1 --certificates /run/remora > bootstrap.json
  remora ctl grpc-bootstrap --node shop/web-1 --certificates /run/remora --tls --server cp.internal:18000
  remora ctl grpc-bootstrap --node shop/stock-1 --certificates /run/remora --service stock --port 50051`,
    )
    .action((flags: BootstrapFlags, command: Command) => {
      const problem = problemOf(flags);
      if (problem !== null) command.error(`error: ${problem}`);
      process.stdout.write(`${JSON.stringify(bootstrapOf(flags), null, 2)}\n`);
    });
}

/** Of options that need each other; null = none. */
export function problemOf({ service, port, certificates, tls }: BootstrapFlags): string | null {
  if (tls === true && certificates === undefined) return '--tls needs --certificates';
  if ((service === undefined) !== (port === undefined)) {
    return 'a server needs both --service and --port';
  }
  return service !== undefined && certificates === undefined
    ? 'a server needs --certificates: sidecars call it by mTLS'
    : null;
}

export function bootstrapOf(flags: BootstrapFlags): object {
  const { node, server, certificates, tls, locality, service, port, address, version } = flags;
  const remora = {
    ...(certificates === undefined ? {} : { certificate_provider: CERTIFICATE_PROVIDER }),
    ...(service === undefined ? {} : { service, inbound_port: port }),
    ...(address === undefined ? {} : { address }),
    ...(version === undefined ? {} : { version }),
  };
  return {
    xds_servers: [
      {
        server_uri: server,
        channel_creds: [
          certificates !== undefined && tls === true
            ? { type: 'tls', config: filesIn(certificates) }
            : { type: 'insecure' },
        ],
        server_features: ['xds_v3'],
      },
    ],
    node: {
      id: node,
      // grpc-js wants it to be there.
      locality: locality ?? {},
      metadata: { remora },
    },
    ...(certificates === undefined
      ? {}
      : { certificate_providers: { [CERTIFICATE_PROVIDER]: fileWatcher(certificates) } }),
    server_listener_resource_name_template: 'grpc/server?xds.resource.listening_address=%s',
  };
}

function fileWatcher(directory: string): object {
  return { plugin_name: 'file_watcher', config: filesIn(directory) };
}

function filesIn(directory: string): object {
  const files = Object.entries(certificateFiles).map(([field, file]) => [
    field,
    join(resolve(directory), file),
  ]);
  return { ...Object.fromEntries(files), refresh_interval: REFRESH_INTERVAL };
}

function parseNode(text: string): string {
  if (!/^[a-z0-9-]+\/[a-z0-9.-]+$/.test(text)) {
    throw new InvalidArgumentError('expected <namespace>/<name>, such as shop/web-1');
  }
  return text;
}

function parseLocality(text: string): Locality {
  const [region = '', zone, subZone, ...more] = text.split('/');
  if (region === '' || zone === '' || subZone === '' || more.length > 0) {
    throw new InvalidArgumentError('expected region, region/zone or region/zone/sub-zone');
  }
  return {
    region,
    ...(zone === undefined ? {} : { zone }),
    ...(subZone === undefined ? {} : { sub_zone: subZone }),
  };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65535) {
    throw new InvalidArgumentError('expected a port, 1 to 65535');
  }
  return port;
}
