// The files that proxyless gRPC programs read their certificates from, written by what the control plane gives the same
// Workload over SDS. What an agent beside the program does, for tests.

import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { certificateFiles } from '../../../cli/ctl/grpc-bootstrap.ts';
import { typeUrlOfKind } from '../../../controlplane/cache/kinds.ts';
import { decodeMessage, encodeMessage } from '../../../proto/any.ts';
import {
  adsPath,
  decodeDiscoveryResponse,
  encodeDiscoveryRequest,
} from '../../../proto/discovery.ts';
import { until } from '../../fakes/until.ts';
import { identity } from './echo.ts';

const secretType = 'envoy.extensions.transport_sockets.tls.v3.Secret';

/**
 * Asks on the plaintext xDS port as the node, in the words of a sidecar. `remora` describes a Workload that is not
 * written.
 */
export async function writeCertificates(
  xdsPort: number,
  nodeId: string,
  directory: string,
  remora: Readonly<Record<string, string | number>> = {},
): Promise<void> {
  const client = new Client(`127.0.0.1:${xdsPort}`, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest(adsPath.sotw, identity, identity);
  const secrets = new Map<string, Partial<Record<keyof typeof certificateFiles, string>>>();
  stream.on('data', (bytes: Buffer) => {
    for (const { value } of decodeDiscoveryResponse(bytes).resources) {
      const decoded = decodeMessage(secretType, value);
      if (!decoded.ok) continue;
      const { name = '', tls_certificate: own, validation_context: roots } = decoded.value.message;
      const files =
        own === undefined
          ? { ca_certificate_file: roots?.trusted_ca?.inline_string ?? '' }
          : {
              certificate_file: own.certificate_chain?.inline_string ?? '',
              private_key_file: own.private_key?.inline_string ?? '',
            };
      secrets.set(name, files);
    }
  });
  stream.on('error', () => {});
  const node = { id: nodeId, user_agent_name: 'test', metadata: { remora } };
  stream.write(
    encodeDiscoveryRequest({
      versionInfo: '',
      node: encodeMessage('envoy.config.core.v3.Node', node),
      resourceNames: ['default', 'ROOTCA'],
      typeUrl: typeUrlOfKind('secret'),
      responseNonce: '',
      errorDetail: null,
    }),
  );
  try {
    await until(`${nodeId} has its secrets`, () => secrets.size === 2);
  } finally {
    stream.cancel();
    client.close();
  }
  mkdirSync(directory, { recursive: true });
  const contents = Object.assign({}, ...secrets.values());
  for (const [field, name] of Object.entries(certificateFiles)) {
    const file = join(directory, name);
    writeFileSync(`${file}.new`, contents[field], { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
}
