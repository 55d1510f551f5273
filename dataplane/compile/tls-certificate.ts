// TlsCertificate: certificate and key from PEM or PKCS#12, and the OCSP response to staple. Called for
// contexts and for Secret resources. Keys and passwords are never put into errors.

import type { DataSourceProto, TlsCertificateProto } from '../../proto/gen/types.ts';
import type { TlsCertificateData } from '../api/config/tls.ts';
import { keyProblem, pairProblem, parseCertificates, parsePrivateKey } from './certificate.ts';
import type { Compilation } from './compilation.ts';
import { readDataSource, readText, sourceName, sourcePath } from './data-source.ts';
import { parseOcspResponse } from './ocsp.ts';
import { openPkcs12 } from './pkcs12.ts';

const nothing: TlsCertificateData = {
  certificateChainPem: '',
  privateKeyPem: '',
  password: '',
  ocspStaple: '',
  ocspExpiresMs: Number.MAX_SAFE_INTEGER,
  source: '<inline>',
};

/** Envoy reads certificate and key, and refuses a pair that does not match. */
export function compileTlsCertificate(
  proto: TlsCertificateProto,
  path: string,
  compilation: Compilation,
): TlsCertificateData {
  const password = readText(proto.password, `${path}.password`, compilation);
  const pair =
    proto.pkcs12 === undefined
      ? compilePem(proto, password, path, compilation)
      : compilePkcs12(proto, password, path, compilation);
  if (pair.certificateChainPem === '' || proto.ocsp_staple === undefined) return pair;
  return { ...pair, ...compileStaple(proto.ocsp_staple, pair, `${path}.ocsp_staple`, compilation) };
}

function compilePem(
  proto: TlsCertificateProto,
  password: string,
  path: string,
  compilation: Compilation,
): TlsCertificateData {
  const certificateChainPem = requiredText(
    proto.certificate_chain,
    `${path}.certificate_chain`,
    compilation,
  );
  const privateKeyPem = requiredText(proto.private_key, `${path}.private_key`, compilation);
  if (certificateChainPem === '' || privateKeyPem === '') return nothing;
  const chain = parseCertificates(certificateChainPem);
  const key = parsePrivateKey(privateKeyPem, password);
  const chainName = sourceName(proto.certificate_chain ?? {}, 'inline certificate_chain');
  const keyName = sourceName(proto.private_key ?? {}, 'inline private_key');
  if (!chain.ok) compilation.fail(`${path}.certificate_chain`, `${chainName}: ${chain.errors}`);
  if (!key.ok) compilation.fail(`${path}.private_key`, `${keyName}: ${key.errors}`);
  if (chain.ok && key.ok) {
    const leaf = chain.value[0]!; // a parsed chain has one
    const problem = pairProblem(leaf, key.value);
    if (problem !== null) {
      compilation.fail(`${path}.private_key`, `private key ${keyName} ${problem} ${chainName}`);
    }
    const unusable = keyProblem(leaf.publicKey);
    if (unusable !== null)
      compilation.fail(`${path}.certificate_chain`, `${chainName}: ${unusable}`);
  }
  const source = sourcePath(proto.certificate_chain);
  return { ...nothing, certificateChainPem, privateKeyPem, password, source };
}

function compilePkcs12(
  proto: TlsCertificateProto,
  password: string,
  path: string,
  compilation: Compilation,
): TlsCertificateData {
  for (const field of ['certificate_chain', 'private_key'] as const) {
    if (proto[field] === undefined) continue;
    compilation.fail(`${path}.${field}`, 'must not be set beside pkcs12');
  }
  const der = readDataSource(proto.pkcs12 ?? {}, `${path}.pkcs12`, compilation);
  if (der === null) return nothing;
  const name = sourceName(proto.pkcs12 ?? {}, 'inline pkcs12');
  const opened = openPkcs12(der, password);
  if (!opened.ok) {
    compilation.fail(`${path}.pkcs12`, `${name}: ${opened.errors}`);
    return nothing;
  }
  const chain = parseCertificates(opened.value.certificateChainPem);
  const unusable = chain.ok ? keyProblem(chain.value[0]!.publicKey) : chain.errors;
  if (unusable !== null) compilation.fail(`${path}.pkcs12`, `${name}: ${unusable}`);
  return { ...nothing, ...opened.value, source: sourcePath(proto.pkcs12) };
}

function compileStaple(
  source: DataSourceProto,
  { certificateChainPem }: TlsCertificateData,
  path: string,
  compilation: Compilation,
): Pick<TlsCertificateData, 'ocspStaple' | 'ocspExpiresMs'> {
  const der = readDataSource(source, path, compilation);
  const response = der === null ? null : parseOcspResponse(der);
  if (der === null || response === null) {
    if (der !== null)
      compilation.fail(path, 'not a successful OCSP response about one certificate');
    return nothing;
  }
  const chain = parseCertificates(certificateChainPem);
  const serial = chain.ok ? chain.value[0]?.serialNumber.toLowerCase().replace(/^0+(?=.)/, '') : '';
  if (serial !== response.serialNumber) {
    compilation.fail(path, 'OCSP response does not match its TLS certificate');
  }
  return {
    ocspStaple: der.toString('base64'),
    ocspExpiresMs: Math.min(response.expiresMs, Number.MAX_SAFE_INTEGER),
  };
}

function requiredText(
  source: DataSourceProto | undefined,
  path: string,
  compilation: Compilation,
): string {
  if (source === undefined) {
    compilation.fail(path, 'is required');
    return '';
  }
  const bytes = readDataSource(source, path, compilation);
  if (bytes !== null && bytes.length === 0) compilation.fail(path, 'must not be empty');
  return bytes?.toString('utf8') ?? '';
}
