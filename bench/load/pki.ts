// Certificates of the rows that speak mTLS.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestCa } from '../../test/fakes/pki.ts';
import type { Pki } from './configs.ts';

/** A CA and the one certificate of both sides, as files in `directory`. */
export async function makePki(directory: string): Promise<Pki> {
  const ca = await TestCa.create('bench');
  const leaf = await ca.issue({
    uri: ['spiffe://bench.test/ns/default/sa/peer'],
    dns: ['peer.bench.test'],
  });
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  return {
    caFile: file('ca.pem', ca.certificatePem),
    certificateFile: file('leaf.pem', leaf.certificatePem),
    keyFile: file('leaf.key', leaf.privateKeyPem),
    leaf,
  };
}
