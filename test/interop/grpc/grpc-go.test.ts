// grpc-go's own interop client and server, with our proxies between: the test cases of the gRPC project that need no
// cloud credentials; and its client against grpc-js.

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
  ways,
  writeHopPki,
} from '../hops.ts';
import { type PeerServer, runPeer, startPeerServer } from '../peer-process.ts';
import { findPeer, skipWithout } from '../peers.ts';
import { freePort } from '../proxies.ts';
import { type JsServer, startJsServer } from './js-server.ts';

/** What any server of the testing service passes. */
const commonCases = [
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
];
/** Load reports: one in the trailers of each call, and as a stream of their own. */
const reportCases = ['orca_per_rpc', 'orca_oob'];
/** The server must say who it is; grpc-go's does not. */
const identityCases = ['pick_first_unary'];
/** The client's balancer that hands load reports to the orca cases. */
const reportingBalancer = '{"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}';
const skip =
  skipWithout('envoy') || skipWithout('grpc_interop_client') || skipWithout('grpc_interop_server');

/** `caFile`: TLS; null = cleartext. */
async function runCase(name: string, port: number, caFile: string | null): Promise<void> {
  const tls = ['-use_tls', '-use_test_ca', `-ca_file=${caFile}`];
  const result = await runPeer(findPeer('grpc_interop_client') ?? '', [
    ...['-server_host=127.0.0.1', `-server_port=${port}`, `-test_case=${name}`],
    ...(reportCases.includes(name) ? [`-service_config_json=${reportingBalancer}`] : []),
    ...(caFile === null ? [] : [...tls, `-server_host_override=${SERVER_NAME}`]),
  ]);
  assert.equal(result.code, 0, `${result.stdout}${result.stderr}`);
}

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

      for (const name of [...commonCases, ...reportCases]) {
        test(name, () => runCase(name, hops.port, isTls ? files.ca : null));
      }
    });
  }

  for (const { name, kinds } of ways) {
    describe(`to grpc-js through ${name}`, () => {
      let server: JsServer;
      let hops: Hops;
      before(async () => {
        server = await startJsServer();
        hops = await startHops(pki, { kinds, backendPort: server.port });
      });
      after(async () => {
        await hops?.stop();
        server?.stop();
      });

      for (const name of [...commonCases, ...identityCases]) {
        test(name, () => runCase(name, hops.port, null));
      }
    });
  }
});
