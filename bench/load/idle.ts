// `idle.ts PORT COUNT plain|tls CA CERTIFICATE KEY`: opens so many keep-alive connections, one request on each, and holds
// them. Prints `open` once all were answered; ends with SIGTERM.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';

const [port, count, mode, ca, certificate, key] = process.argv.slice(2);
const AT_A_TIME = 32;
const address = { host: '127.0.0.1', port: Number(port) };
const secureContext =
  mode === 'tls'
    ? tls.createSecureContext({
        ca: readFileSync(ca!),
        cert: readFileSync(certificate!),
        key: readFileSync(key!),
      })
    : null;
const held: net.Socket[] = [];

async function open(): Promise<void> {
  const socket =
    secureContext === null
      ? net.connect(address)
      : tls.connect({
          ...address,
          secureContext,
          servername: 'peer.bench.test',
          // The certificate names a SPIFFE id; its chain is verified all the same.
          checkServerIdentity: () => undefined,
        });
  await once(socket, secureContext === null ? 'connect' : 'secureConnect');
  socket.write('GET / HTTP/1.1\r\nHost: bench\r\n\r\n');
  await once(socket, 'data');
  socket.resume();
  held.push(socket);
}

const wanted = Number(count);
let begun = 0;
await Promise.all(
  Array.from({ length: AT_A_TIME }, async () => {
    while (begun < wanted) {
      begun++;
      await open();
    }
  }),
);
process.stdout.write('open\n');
