// grpcio for Python (the C core of gRPC) on both ends.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Hops, makeHopPki, startHops, ways } from '../hops.ts';
import { type PeerServer, runPeer, startPeerServer } from '../peer-process.ts';
import { findPeer, skipWithout } from '../peers.ts';
import { freePort } from '../proxies.ts';

const program = fileURLToPath(new URL('python_peer.py', import.meta.url));
const cases = ['unary', 'streams', 'metadata', 'trailers_only', 'deadline', 'many'];

describe('grpcio', { skip: skipWithout('envoy') || skipWithout('python_grpc') }, () => {
  const python = findPeer('python_grpc') ?? '';
  for (const { name, kinds } of ways) {
    describe(`through ${name}`, () => {
      let server: PeerServer;
      let hops: Hops;
      before(async () => {
        const port = await freePort();
        server = await startPeerServer(python, [program, 'server', String(port)], port);
        hops = await startHops(await makeHopPki(), { kinds, backendPort: port });
      });
      after(async () => {
        await hops?.stop();
        await server?.stop();
      });

      for (const one of cases) {
        test(one, async () => {
          const result = await runPeer(python, [program, 'client', String(hops.port), one]);
          assert.equal(result.code, 0, `${result.stdout}${result.stderr}`);
        });
      }
    });
  }
});
