// Many hosts with one port: 127.0.1.1, 127.0.1.2, ... Each answers with its own address, as cheaply as can be. A request
// with `x-hold` is answered at release(), one with `x-fail` with 503.

import net, { type AddressInfo } from 'node:net';

export interface Backend {
  readonly port: number;
  /** Addresses that a request with that `x-id` reached, in order. */
  visits(id: string): readonly string[];
  /** The same, once there is one. */
  visit(id: string): Promise<readonly string[]>;
  /** Answers what is held, and holds nothing until the next request that asks for it. */
  release(): void;
  close(): void;
}

export function hostAddress(number: number): string {
  return `127.0.1.${number + 1}`;
}

/** Hosts 0 to `count` - 1. */
export async function startBackend(count: number): Promise<Backend> {
  const servers: net.Server[] = [];
  const sockets = new Set<net.Socket>();
  const visits = new Map<string, string[]>();
  const waiting = new Map<string, () => void>();
  let held: (() => void)[] = [];
  const onConnection = (socket: net.Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const address = socket.localAddress ?? '';
    const ok = `HTTP/1.1 200 OK\r\nx-host: ${address}\r\ncontent-length: 0\r\n\r\n`;
    let pending = '';
    socket.on('data', (chunk) => {
      pending += chunk.toString('latin1');
      for (;;) {
        const end = pending.indexOf('\r\n\r\n');
        if (end === -1) return;
        const head = pending.slice(0, end);
        pending = pending.slice(end + 4);
        const id = /\r\nx-id: (.*)/.exec(head)?.[1];
        if (id !== undefined) {
          visits.set(id, [...(visits.get(id) ?? []), address]);
          waiting.get(id)?.();
        }
        if (head.includes('\r\nx-hold: ')) held.push(() => socket.write(ok));
        else socket.write(head.includes('\r\nx-fail: ') ? ok.replace('200 OK', '503 No') : ok);
      }
    });
  };
  const listen = (address: string, port: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const server = net.createServer(onConnection);
      servers.push(server);
      server.once('error', reject);
      server.listen(port, address, () => resolve((server.address() as AddressInfo).port));
    });
  const port = await listen(hostAddress(0), 0);
  for (let i = 1; i < count; i++) await listen(hostAddress(i), port);
  return {
    port,
    visits: (id) => visits.get(id) ?? [],
    visit: async (id) => {
      if (!visits.has(id)) await new Promise<void>((resolve) => waiting.set(id, resolve));
      return visits.get(id) ?? [];
    },
    release: () => {
      for (const answer of held) answer();
      held = [];
    },
    close: () => {
      for (const server of servers) server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
