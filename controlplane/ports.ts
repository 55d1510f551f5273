// The gRPC ports: TLS for everybody (xDS and join), and optionally plaintext on loopback (xDS only); and the port
// for discovery by REST.

import { createServer, type RequestListener } from 'node:http';
import { experimental, Server, ServerCredentials } from '@grpc/grpc-js';
import { CodedError } from '../common/coded-error.ts';
import { adsChannelOptions } from './ads/server.ts';

/** Adds a service to a server that does not listen yet. */
export type AddService = (server: Server) => void;

export interface Port {
  /** The real one when 0 was asked for. */
  readonly port: number;
  /** Stops accepting, ends open streams. */
  close(): void;
}

export function openTlsPort(
  address: string,
  port: number,
  identity: experimental.CertificateProvider,
  services: readonly AddService[],
): Promise<Port> {
  // The identity comes first, whatever the parameter is called (grpc-js 1.14). Clients are asked for a certificate
  // and need not have one: most have a token. One that is not ours counts as none (join/authn.ts).
  const credentials = experimental.createCertificateProviderServerCredentials(
    identity,
    identity,
    false,
  );
  return open(address, port, credentials, services);
}

/** Always 127.0.0.1: whoever reaches this port may be any node. */
export function openPlaintextPort(port: number, services: readonly AddService[]): Promise<Port> {
  return open('127.0.0.1', port, ServerCredentials.createInsecure(), services);
}

/** Discovery by polling; always 127.0.0.1, for the same reason. */
export function openRestPort(port: number, handler: RequestListener): Promise<Port> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000 }, handler);
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const target = `127.0.0.1:${port}`;
      reject(
        new CodedError('cannot-listen', `cannot listen on ${target}: ${error.message}`, {
          cause: error,
        }),
      );
    });
    server.listen(port, '127.0.0.1', () => {
      const bound = server.address();
      resolve({
        port: typeof bound === 'object' && bound !== null ? bound.port : port,
        close: () => {
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}

function open(
  address: string,
  port: number,
  credentials: ServerCredentials,
  services: readonly AddService[],
): Promise<Port> {
  const server = new Server(adsChannelOptions);
  for (const add of services) add(server);
  const target = `${address.includes(':') ? `[${address}]` : address}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (error, bound) => {
      if (error !== null) {
        reject(
          new CodedError('cannot-listen', `cannot listen on ${target}: ${error.message}`, {
            cause: error,
          }),
        );
      } else resolve({ port: bound, close: () => server.forceShutdown() });
    });
  });
}
