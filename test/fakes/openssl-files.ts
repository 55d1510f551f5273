// Files that only the openssl command makes: PKCS#12 and OCSP responses. For tests.

import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestCertificate } from './pki.ts';

function inDirectory<T>(work: (path: (name: string) => string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'openssl-'));
  try {
    return work((name) => join(directory, name));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** `more`: options such as -legacy or -keypbe NONE. */
export function pkcs12Of(
  leaf: TestCertificate,
  issuerPem: string,
  password: string,
  more: readonly string[] = [],
): Buffer {
  return inDirectory((path) => {
    writeFileSync(path('leaf.pem'), leaf.certificatePem);
    writeFileSync(path('leaf.key'), leaf.privateKeyPem);
    writeFileSync(path('ca.pem'), issuerPem);
    execFileSync('openssl', [
      ...['pkcs12', '-export', '-in', path('leaf.pem'), '-inkey', path('leaf.key')],
      ...[
        '-certfile',
        path('ca.pem'),
        '-out',
        path('out'),
        '-passout',
        `pass:${password}`,
        ...more,
      ],
    ]);
    return readFileSync(path('out'));
  });
}

/** A response of `issuer` that `leaf` is good, for `days` from now; signed by the issuer itself. */
export function ocspResponse(leaf: TestCertificate, issuer: TestCertificate, days: number): Buffer {
  return inDirectory((path) => {
    writeFileSync(path('leaf.pem'), leaf.certificatePem);
    writeFileSync(path('ca.pem'), issuer.certificatePem);
    writeFileSync(path('ca.key'), issuer.privateKeyPem);
    const { serialNumber } = new X509Certificate(leaf.certificatePem);
    // The line of `openssl ca`: valid, until when, no revocation, serial, no file, subject.
    writeFileSync(path('index'), `V\t491231235959Z\t\t${serialNumber}\tunknown\t/CN=leaf\n`);
    execFileSync(
      'openssl',
      [
        ...['ocsp', '-index', path('index'), '-CA', path('ca.pem'), '-rsigner', path('ca.pem')],
        ...['-rkey', path('ca.key'), '-issuer', path('ca.pem'), '-cert', path('leaf.pem')],
        ...['-ndays', String(days), '-respout', path('out'), '-noverify'],
      ],
      { stdio: 'ignore' },
    );
    return readFileSync(path('out'));
  });
}
