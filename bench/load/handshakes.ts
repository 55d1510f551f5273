// `handshakes.ts PORT CONNECTIONS SECONDS full|resumed CA CERTIFICATE KEY`: so many mTLS connections at a time, each
// closed once its handshake is done. resumed: every one but the first offers the first one's session.

import { readFileSync } from 'node:fs';
import tls from 'node:tls';
import { LoadReport } from './report.ts';

const [port, connections, seconds, mode, ca, certificate, key] = process.argv.slice(2);
const options = {
  host: '127.0.0.1',
  port: Number(port),
  servername: 'peer.bench.test',
  // The certificate names a SPIFFE id; its chain is verified all the same.
  checkServerIdentity: () => undefined,
  secureContext: tls.createSecureContext({
    ca: readFileSync(ca!),
    cert: readFileSync(certificate!),
    key: readFileSync(key!),
  }),
};

let session: Buffer | null = null;
if (mode === 'resumed') {
  session = await new Promise<Buffer>((resolve, reject) => {
    const socket = tls.connect(options);
    socket.once('session', (ticket) => {
      socket.destroy();
      resolve(ticket);
    });
    socket.once('error', reject);
    // A TLS 1.3 server sends tickets after the handshake; a request makes a proxy that waits for one talk.
    socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: bench\r\n\r\n'));
  });
}

const report = new LoadReport();
const endMs = performance.now() + Number(seconds) * 1000;
let open = 0;

function next(): void {
  if (performance.now() > endMs) {
    if (open === 0) report.print();
    return;
  }
  open++;
  const startedMs = performance.now();
  const socket = tls.connect(session === null ? options : { ...options, session });
  socket.once('secureConnect', () => {
    if (session !== null && !socket.isSessionReused()) report.errors++;
    else report.add(startedMs);
    socket.destroy();
  });
  socket.once('error', () => {
    report.errors++;
  });
  socket.once('close', () => {
    open--;
    next();
  });
}

for (let i = 0; i < Number(connections); i++) next();
