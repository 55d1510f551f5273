// grpc-go's own interop client and server, with our proxies between: the test cases of the gRPC project that need no
// cloud credentials. pick_first_unary is not among them: grpc-go's server does not say who it is, as that case demands.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  forms,
  type HopPki,
  type Hops,
  makeHopPki,
  SERVER_NAME,
  startHops,
  writeHopPki,
} from '../hops.ts';
import { type PeerServer, runPeer, startPeerServer } from '../peer-process.ts';
import { findPeer, skipWithout } from '../peers.ts';
import { freePort } from '../proxies.ts';

const cases = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'custom_metadata',
  'unimplemented_method',
  'unimplemented_service',
  // Load reports: one in the trailers of each call, and as a stream of their own.
  'orca_per_rpc',
  'orca_oob',
];
/** The client's balancer that hands load reports to the orca cases. */
const reportingBalancer = '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}';
const skip =
  skipWithout('envoy') || skipWithout('grpc_interop_client') || skipWithout('grpc_interop_server');

describe('grpc-go interop', { skip }, () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-grpc-go-'));
  let pki: HopPki;
  let files: ReturnType<typeof writeHopPki>;
  before(async () => {
    pki = await makeHopPki();
    files = writeHopPki(pki, directory);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  for (const { name, kinds, isTls } of forms) {
    describe(`through ${name}`, () => {
      let server: PeerServer;
      let hops: Hops;
      before(async () => {
        const port = await freePort();
        const tls = [
          '-use_tls',
          `-tls_cert_file=${files.certificate}`,
          `-tls_key_file=${files.key}`,
        ];
        server = await startPeerServer(
          findPeer('grpc_interop_server') ?? '',
          [`-port=${port}`, ...(isTls ? tls : [])],
          port,
        );
        hops = await startHops(pki, { kinds, backendPort: port, isTls });
      });
      after(async () => {
        await hops?.stop();
        await server?.stop();
      });

      for (const name of cases) {
        test(name, async () => {
          const tls = ['-use_tls', '-use_test_ca', `-ca_file=${files.ca}`];
          const result = await runPeer(findPeer('grpc_interop_client') ?? '', [
            ...['-server_host=127.0.0.1', `-server_port=${hops.port}`, `-test_case=${name}`],
            ...(name.startsWith('orca') ? [`-service_config_json=${reportingBalancer}`] : []),
            ...(isTls ? [...tls, `-server_host_override=${SERVER_NAME}`] : []),
          ]);
          assert.equal(result.code, 0, `${result.stdout}${result.stderr}`);
        });
      }
    });
  }
});
