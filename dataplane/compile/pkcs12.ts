// Opens a PKCS#12 file (TlsCertificate.pkcs12) into the PEM texts that everything else works with. Only the
// encryption that current tools write (PBES2 with AES); Node itself would add the file's CAs to the trusted
// ones, which nobody asked for.

import { createDecipheriv, createPrivateKey, pbkdf2Sync, X509Certificate } from 'node:crypto';
import {
  type DerElement,
  DerTag,
  derChildren,
  derSequence,
  objectIdentifier,
  pemOf,
} from '../../common/der.ts';
import { err, ok, type Result } from '../../common/result.ts';

const DATA = '1.2.840.113549.1.7.1';
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6';
const KEY_BAG = '1.2.840.113549.1.12.10.1.1';
const SHROUDED_KEY_BAG = '1.2.840.113549.1.12.10.1.2';
const CERTIFICATE_BAG = '1.2.840.113549.1.12.10.1.3';
const PBES2 = '1.2.840.113549.1.5.13';
const PBKDF2 = '1.2.840.113549.1.5.12';
const CONTEXT_0 = 0xa0;
const CONTEXT_0_PRIMITIVE = 0x80;
/** Far above what tools write (2,048 to 600,000); the file must not stop us for minutes. */
const MAX_ITERATIONS = 10_000_000;

const prfHashes: Readonly<Record<string, string>> = {
  '1.2.840.113549.2.7': 'sha1',
  '1.2.840.113549.2.9': 'sha256',
  '1.2.840.113549.2.10': 'sha384',
  '1.2.840.113549.2.11': 'sha512',
};
const ciphers: Readonly<Record<string, readonly [name: string, keyBytes: number]>> = {
  '2.16.840.1.101.3.4.1.2': ['aes-128-cbc', 16],
  '2.16.840.1.101.3.4.1.22': ['aes-192-cbc', 24],
  '2.16.840.1.101.3.4.1.42': ['aes-256-cbc', 32],
};

/** A key, not encrypted any more, and its chain, leaf first. */
export interface OpenedPkcs12 {
  readonly certificateChainPem: string;
  readonly privateKeyPem: string;
}

const MALFORMED = 'malformed PKCS#12';
/** Also what a wrong password looks like. */
const UNREADABLE = 'cannot be decrypted: wrong password, or not encrypted with PBES2 and AES';

/** The error names neither key nor password. The MAC is not checked: a wrong password fails to decrypt. */
export function openPkcs12(der: Buffer, password: string): Result<OpenedPkcs12, string> {
  const safe = dataOf(derSequence(der)?.[1]);
  const parts = safe === null ? null : derSequence(safe);
  if (parts === null) return err(MALFORMED);
  const keys: string[] = [];
  const certificates: X509Certificate[] = [];
  try {
    for (const part of parts) {
      const content = dataOf(part) ?? decryptedDataOf(part, password);
      if (content === null) return err(UNREADABLE);
      for (const bag of derSequence(content) ?? []) takeBag(bag, password, keys, certificates);
    }
  } catch {
    return err(UNREADABLE); // OpenSSL's own words ("bad decrypt") say less
  }
  const [privateKeyPem] = keys;
  if (privateKeyPem === undefined) return err('no private key found');
  const key = createPrivateKey(privateKeyPem);
  const leaf = certificates.find((certificate) => certificate.checkPrivateKey(key));
  if (leaf === undefined) return err('no certificate of the private key found');
  const chain = [leaf, ...certificates.filter((certificate) => certificate !== leaf)];
  return ok({ privateKeyPem, certificateChainPem: chain.map(String).join('') });
}

function takeBag(
  bag: DerElement,
  password: string,
  keys: string[],
  certificates: X509Certificate[],
): void {
  const [type, wrapped] = derSequence(bag.raw) ?? [];
  const value = wrapped === undefined ? undefined : derChildren(wrapped.content)?.[0];
  if (value === undefined) return;
  switch (objectIdentifier(type)) {
    case KEY_BAG:
      keys.push(pemOf(value.raw, 'PRIVATE KEY'));
      return;
    case SHROUDED_KEY_BAG: {
      const pem = pemOf(value.raw, 'ENCRYPTED PRIVATE KEY');
      const key = createPrivateKey({ key: pem, passphrase: password });
      keys.push(key.export({ type: 'pkcs8', format: 'pem' }).toString());
      return;
    }
    case CERTIFICATE_BAG: {
      const certificate = derSequence(value.raw)?.[1];
      const der = certificate === undefined ? undefined : derChildren(certificate.content)?.[0];
      if (der?.tag === DerTag.OctetString) certificates.push(new X509Certificate(der.content));
      return;
    }
    default: // secrets and CRLs are nothing that a handshake needs
  }
}

/** The octets of a ContentInfo of type data; null for any other. */
function dataOf(contentInfo: DerElement | undefined): Buffer | null {
  const [type, wrapped] = derSequence(contentInfo?.raw ?? Buffer.alloc(0)) ?? [];
  if (objectIdentifier(type) !== DATA || wrapped?.tag !== CONTEXT_0) return null;
  const [octets] = derChildren(wrapped.content) ?? [];
  return octets?.tag === DerTag.OctetString ? octets.content : null;
}

function decryptedDataOf(contentInfo: DerElement, password: string): Buffer | null {
  const [type, wrapped] = derSequence(contentInfo.raw) ?? [];
  if (objectIdentifier(type) !== ENCRYPTED_DATA || wrapped === undefined) return null;
  const content = derSequence(wrapped.content)?.[1];
  const [, algorithm, encrypted] = derSequence(content?.raw ?? Buffer.alloc(0)) ?? [];
  if (encrypted?.tag !== CONTEXT_0_PRIMITIVE || algorithm === undefined) return null;
  return decrypt(algorithm, encrypted.content, password);
}

function decrypt(algorithm: DerElement, encrypted: Buffer, password: string): Buffer | null {
  const [scheme, parameters] = derSequence(algorithm.raw) ?? [];
  if (objectIdentifier(scheme) !== PBES2 || parameters === undefined) return null;
  const [derivation, encryption] = derSequence(parameters.raw) ?? [];
  const [derivationType, derivationParameters] =
    derSequence(derivation?.raw ?? Buffer.alloc(0)) ?? [];
  if (objectIdentifier(derivationType) !== PBKDF2 || derivationParameters === undefined)
    return null;
  const [salt, iterations, ...rest] = derSequence(derivationParameters.raw) ?? [];
  const prf = rest.find(({ tag }) => tag === DerTag.Sequence);
  const hash = prf === undefined ? 'sha1' : prfHashes[objectIdentifier(derSequence(prf.raw)?.[0])];
  const [cipherType, iv] = derSequence(encryption?.raw ?? Buffer.alloc(0)) ?? [];
  const cipher = ciphers[objectIdentifier(cipherType)];
  if (cipher === undefined || hash === undefined || iv === undefined || salt === undefined)
    return null;
  const count = Number.parseInt(iterations?.content.toString('hex') ?? '', 16);
  if (!(count > 0 && count <= MAX_ITERATIONS)) return null;
  const [name, keyBytes] = cipher;
  const key = pbkdf2Sync(password, salt.content, count, keyBytes, hash);
  const decipher = createDecipheriv(name, key, iv.content);
  return Buffer.concat([decipher.update(encrypted), decipher.final()]);
}
