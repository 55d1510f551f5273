// h2spec, all its cases in strict mode, against our listener in cleartext and over TLS, with a server behind it.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Hops, type Kind, makeHopPki, startHops } from './hops.ts';
import { type Backend, startBackend } from './http2/backend.ts';
import { runPeer } from './peer-process.ts';
import { findPeer, skipWithout } from './peers.ts';

const KIND: Kind = 'remora';
const CASES = 146;

/** `refused`: cases that we fail on purpose, with the reason. */
const listeners = [
  { name: 'in cleartext', codecType: 'HTTP2', isTls: false, refused: {} },
  {
    name: 'in cleartext, codec AUTO',
    codecType: 'AUTO',
    isTls: false,
    refused: {
      'http2/3.5: Sends invalid connection preface':
        'what does not begin like HTTP/2 is taken for HTTP/1 and answered with its 400, as by Envoy',
    },
  },
  { name: 'over TLS', codecType: 'AUTO', isTls: true, refused: {} },
] as const;

interface Case {
  readonly name: string;
  readonly isFailed: boolean;
}

/** The cases of a JUnit report; names are unique by section and text. */
function casesOf(report: string): Case[] {
  return [...report.matchAll(/<testcase ([^>]*?)(\/>|>([\s\S]*?)<\/testcase>)/g)].map((match) => {
    const attribute = (name: string) =>
      new RegExp(`(?:^| )${name}="([^"]*)"`).exec(match[1] ?? '')?.[1] ?? '';
    const isFailed = /<(failure|error)/.test(match[3] ?? '');
    return { name: `${attribute('package')}: ${attribute('classname')}`, isFailed };
  });
}

describe('h2spec', { skip: skipWithout('h2spec') }, () => {
  const directory = mkdtempSync(join(os.tmpdir(), 'remora-h2spec-'));
  let backend: Backend;
  before(async () => {
    backend = await startBackend('http1', null);
  });
  after(() => {
    backend?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  for (const { name, codecType, isTls, refused } of listeners) {
    describe(name, () => {
      let hops: Hops;
      before(async () => {
        const server = { backendPort: backend.port, backend: 'http1' } as const;
        hops = await startHops(await makeHopPki(), {
          kinds: [KIND],
          ...server,
          isTls,
          isTlsBackend: false,
          codecType,
        });
      });
      after(() => hops?.stop());

      test('every case passes, or is refused with a reason', async () => {
        const report = join(directory, 'report.xml');
        const result = await runPeer(
          findPeer('h2spec') ?? '',
          [
            ...['--strict', '--timeout', '5', '-h', '127.0.0.1', '-p', String(hops.port)],
            ...['-P', '/bytes?size=100', '-j', report, ...(isTls ? ['--tls', '--insecure'] : [])],
          ],
          200_000,
        );
        const cases = casesOf(readFileSync(report, 'utf8'));
        assert.equal(cases.length, CASES, result.stderr);
        const failed = cases.filter(({ isFailed }) => isFailed).map(({ name }) => name);
        assert.deepEqual(failed, Object.keys(refused), result.stdout);
      });
    });
  }
});
