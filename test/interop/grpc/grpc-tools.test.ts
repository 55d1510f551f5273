// grpcurl and ghz, two programs on grpc-go, against the testing service on grpc-js.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import grpc from '@grpc/grpc-js';
import {
  forms,
  type HopPki,
  type Hops,
  makeHopPki,
  SERVER_NAME,
  startHops,
  writeHopPki,
} from '../hops.ts';
import { runPeer } from '../peer-process.ts';
import { findPeer, skipWithout } from '../peers.ts';
import { ECHO_INITIAL, ECHO_TRAILING, type JsServer, startJsServer } from './js-server.ts';
import { protoFile } from './testing-service.ts';

const CALLS = 2000;
const proto = ['-proto', protoFile, '-import-path', '/'];

describe('grpcurl and ghz', { skip: skipWithout('envoy') }, () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-grpc-tools-'));
  let pki: HopPki;
  let files: ReturnType<typeof writeHopPki>;
  before(async () => {
    pki = await makeHopPki();
    files = writeHopPki(pki, directory);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  for (const { name, kinds, isTls } of forms) {
    describe(`through ${name}`, () => {
      let server: JsServer;
      let hops: Hops;
      before(async () => {
        const pair = {
          private_key: Buffer.from(pki.leaf.privateKeyPem),
          cert_chain: Buffer.from(pki.leaf.certificatePem),
        };
        server = await startJsServer(isTls ? grpc.ServerCredentials.createSsl(null, [pair]) : null);
        hops = await startHops(pki, { kinds, backendPort: server.port, isTls });
      });
      after(async () => {
        await hops?.stop();
        server?.stop();
      });

      test('grpcurl: a call with metadata', { skip: skipWithout('grpcurl') }, async () => {
        const tls = ['-cacert', files.ca, '-servername', SERVER_NAME];
        const result = await runPeer(findPeer('grpcurl') ?? '', [
          ...(isTls ? tls : ['-plaintext']),
          ...proto,
          ...['-v', '-H', `${ECHO_INITIAL}: seen`, '-H', `${ECHO_TRAILING}: AAH/`],
          ...['-d', '{"response_size": 3}'],
          `127.0.0.1:${hops.port}`,
          'grpc.testing.TestService/UnaryCall',
        ]);
        assert.equal(result.code, 0, result.stderr);
        assert.match(result.stdout, /x-grpc-test-echo-initial: seen/);
        assert.match(result.stdout, /x-grpc-test-echo-trailing-bin: AAH\//);
        assert.match(result.stdout, /"body": "cHBw"/);
      });

      test('ghz: no call of two thousand fails', { skip: skipWithout('ghz') }, async () => {
        const tls = ['--cacert', files.ca, '--cname', SERVER_NAME];
        const result = await runPeer(findPeer('ghz') ?? '', [
          ...(isTls ? tls : ['--insecure']),
          ...['--proto', protoFile, '--call', 'grpc.testing.TestService/UnaryCall'],
          ...['-d', '{"response_size": 100}', '-n', String(CALLS), '-c', '50'],
          ...['--connections', '4', '-O', 'json', `127.0.0.1:${hops.port}`],
        ]);
        assert.equal(result.code, 0, result.stderr);
        const report = JSON.parse(result.stdout);
        assert.deepEqual(report.statusCodeDistribution, { OK: CALLS });
      });
    });
  }
});
