// One of our downstream TLS contexts behind a real socket, and raw clients for it, for tests that need
// many handshakes: resumption, rotation, hostile peers.

import { once } from 'node:events';
import net from 'node:net';
import tls from 'node:tls';
import type { DownstreamTlsConfig } from '../../dataplane/api/config/tls.ts';
import type { TlsInfo } from '../../dataplane/api/connection.ts';
import { DownstreamTlsContext } from '../../dataplane/tls/downstream-tls.ts';
import { SecretStore } from '../../dataplane/tls/secret-store.ts';
import { SslStats } from '../../dataplane/tls/ssl-stats.ts';

/** How one handshake ended on the server's side. */
export interface ServerOutcome {
  /** '' = let through. */
  readonly reason: string;
  readonly info: TlsInfo | null;
}

/** What a client saw. */
export interface ClientOutcome {
  /** The server greeted, so the connection is up on both sides. */
  readonly greeted: boolean;
  readonly error: string;
  readonly reused: boolean;
  readonly serialNumber: string;
  readonly keyType: string;
  readonly protocol: string;
  /** The newest session that can be resumed; null = none came. */
  readonly session: Buffer | null;
}

export class TlsTestServer implements AsyncDisposable {
  readonly stats = new SslStats();
  readonly context: DownstreamTlsContext;
  readonly outcomes: ServerOutcome[] = [];
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor(
    config: DownstreamTlsConfig,
    secrets: SecretStore,
    peekedName: string | null,
  ) {
    this.context = new DownstreamTlsContext(config, secrets, this.stats);
    this.#server = net.createServer({ pauseOnConnect: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      this.context.accept(socket, peekedName ?? '', peekedName === null ? null : [], {
        onSecure: (secured, info) => {
          this.outcomes.push({ reason: '', info });
          secured.on('error', () => {});
          // Not at once: TLS 1.3 sends its tickets after the handshake.
          secured.once('data', () => secured.write('hello'));
        },
        onRefused: (reason) => this.outcomes.push({ reason, info: null }),
      });
    });
  }

  /** `peekedName`: what a listener filter would have seen; null = there is no such filter. */
  static async start(
    config: DownstreamTlsConfig,
    secrets: SecretStore = new SecretStore(),
    peekedName: string | null = null,
  ): Promise<TlsTestServer> {
    const started = new TlsTestServer(config, secrets, peekedName);
    started.#server.listen(0, '127.0.0.1');
    await once(started.#server, 'listening');
    return started;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port; // a TCP server has one
  }

  /** One connection, until the greeting or the end. */
  connect(options: tls.ConnectionOptions = {}): Promise<ClientOutcome> {
    return new Promise((resolve) => {
      const socket = tls.connect({
        port: this.port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        ...options,
      });
      let session: Buffer | null = null;
      let error = '';
      const finish = (greeted: boolean) => {
        const certificate = socket.getPeerX509Certificate?.();
        resolve({
          greeted,
          error,
          reused: greeted && socket.isSessionReused(),
          serialNumber: certificate?.serialNumber ?? '',
          keyType: certificate?.publicKey.asymmetricKeyType ?? '',
          protocol: (greeted && socket.getProtocol()) || '',
          session,
        });
        socket.destroy();
      };
      socket.on('session', (made: Buffer) => {
        session = made;
      });
      socket.on('error', (thrown) => {
        error = thrown.message;
      });
      socket.once('secureConnect', () => socket.write('hello'));
      socket.once('data', () => finish(true));
      socket.once('close', () => finish(false));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.context.close();
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
