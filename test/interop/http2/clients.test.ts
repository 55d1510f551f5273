// curl, nghttp and h2load as clients over HTTP/2, in cleartext by prior knowledge and over TLS by ALPN.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { forms, type HopPki, type Hops, makeHopPki, startHops, writeHopPki } from '../hops.ts';
import { runPeer } from '../peer-process.ts';
import { findPeer, skipWithout } from '../peers.ts';
import { type Backend, startBackend } from './backend.ts';

const MIB = 1024 * 1024;
const REQUESTS = 3000;

describe('HTTP/2 clients', { skip: skipWithout('envoy') }, () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-http2-clients-'));
  const upload = join(directory, 'upload');
  let pki: HopPki;
  let files: ReturnType<typeof writeHopPki>;
  before(async () => {
    pki = await makeHopPki();
    files = writeHopPki(pki, directory);
    writeFileSync(upload, Buffer.alloc(3 * MIB, 'u'));
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  for (const { name, kinds, isTls } of forms) {
    describe(`through ${name}`, () => {
      let backend: Backend;
      let hops: Hops;
      before(async () => {
        backend = await startBackend('http2', isTls ? pki : null);
        hops = await startHops(pki, { kinds, backendPort: backend.port, isTls });
      });
      after(async () => {
        await hops?.stop();
        backend?.stop();
      });

      const base = () => `${isTls ? 'https' : 'http'}://127.0.0.1:${hops.port}`;
      const curl = (...args: readonly string[]) => {
        const http2 = isTls ? ['--http2', '--cacert', files.ca] : ['--http2-prior-knowledge'];
        const report = ['-w', '\n%{http_code} %{http_version}'];
        return runPeer(findPeer('curl') ?? '', ['-sS', '-m', '20', ...http2, ...report, ...args]);
      };

      describe('curl', { skip: skipWithout('curl') }, () => {
        test('a request and what the server sees of it', async () => {
          const { stdout, stderr } = await curl('-b', 'a=1; b=2', '-A', 'agent', `${base()}/seen`);
          const [body = '', status] = stdout.split('\n');
          assert.equal(status, '200 2', stderr);
          const { method, headers } = JSON.parse(body);
          assert.equal(method, 'GET');
          assert.equal(headers[':authority'], `127.0.0.1:${hops.port}`);
          assert.equal(headers['user-agent'], 'agent');
          assert.equal(headers.cookie, 'a=1; b=2');
        });

        const cannotUpgrade = isTls && 'upgrades are for cleartext';
        test('an upgrade to h2c is declined', { skip: cannotUpgrade }, async () => {
          const { stdout } = await runPeer(findPeer('curl') ?? '', [
            ...['-sS', '-m', '20', '--http2', '-w', '%{http_code} %{http_version}'],
            ...['-o', '/dev/null', `${base()}/bytes?size=1`],
          ]);
          assert.equal(stdout, '200 1.1');
        });

        test('an upload of 3 MiB comes back', async () => {
          const { stdout, stderr } = await curl('--data-binary', `@${upload}`, `${base()}/echo`);
          assert.equal(stdout.slice(-6), '\n200 2', stderr);
          assert.equal(stdout.length - 6, 3 * MIB);
        });

        // Curl 7.88 begins again when it reuses a connection by prior knowledge: framing errors, with Envoy too.
        const canReuse = isTls ? false : 'curl reuses no cleartext connections';
        test('sixty transfers use one connection', { skip: canReuse }, async () => {
          const count = ['-o', '/dev/null', '-w', '%{http_code} %{num_connects}\n'];
          const { stdout, stderr } = await curl(...count, `${base()}/bytes?size=1000&i=[1-60]`);
          assert.equal(stdout, `200 1\n${'200 0\n'.repeat(59)}`, stderr);
        });
      });

      test('nghttp: uploads with trailers beside downloads', {
        skip: skipWithout('nghttp'),
      }, async () => {
        const urls = Array.from({ length: 5 }, (_, i) => `${base()}/bytes?size=${100_000 + i}`);
        const down = await runPeer(findPeer('nghttp') ?? '', ['-nv', '-m', '4', ...urls]);
        assert.equal(down.code, 0, down.stderr);
        assert.equal(down.stdout.match(/:status: 200/g)?.length, 20);
        const up = await runPeer(findPeer('nghttp') ?? '', [
          ...['-v', '-d', upload, '--trailer', 'x-sent: at the end', `${base()}/echo`],
        ]);
        assert.equal(up.code, 0, up.stderr);
        assert.match(up.stdout, /:status: 200/);
        assert.match(up.stdout, /x-last: at the end/);
      });

      const h2load = async (...args: readonly string[]) => {
        const { stdout, stderr } = await runPeer(findPeer('h2load') ?? '', [
          ...['-c', '4', '-m', '20', '-n', String(REQUESTS), ...args],
        ]);
        const expected = `${REQUESTS} done, ${REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout`;
        assert.ok(stdout.includes(expected), `${stdout}${stderr}`);
        assert.ok(stdout.includes(`status codes: ${REQUESTS} 2xx`), stdout);
      };
      test('h2load: no request fails', { skip: skipWithout('h2load') }, () =>
        h2load(`${base()}/bytes?size=1024`),
      );
      test('h2load: no request with a body fails', { skip: skipWithout('h2load') }, () =>
        h2load('-d', files.ca, `${base()}/echo`),
      );
    });
  }
});
