// Checks of certificates, keys and CRLs while they are still config: a pair that does not belong
// together must be an error with a name, not a failed handshake later.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { errorText } from '../../common/coded-error.ts';
import { err, ok, type Result } from '../../common/result.ts';

const MIN_RSA_BITS = 2048;

const pemBlock = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

/** The PEM blocks of one kind, in order. */
function blocks(pem: string, kind: string): string[] {
  return [...pem.matchAll(pemBlock)].filter((match) => match[1] === kind).map((match) => match[0]);
}

/** The certificates of a PEM text; the error says which one is bad. */
export function parseCertificates(pem: string): Result<X509Certificate[], string> {
  const texts = blocks(pem, 'CERTIFICATE');
  if (texts.length === 0) return err('no PEM certificate found');
  const certificates: X509Certificate[] = [];
  for (const [i, text] of texts.entries()) {
    try {
      certificates.push(new X509Certificate(text));
    } catch (thrown) {
      return err(`certificate ${i + 1} of ${texts.length} is malformed: ${errorText(thrown)}`);
    }
  }
  return ok(certificates);
}

/** `password` '' = the key is not encrypted. The key itself is never in the error. */
export function parsePrivateKey(pem: string, password: string): Result<KeyObject, string> {
  if (!pem.includes('PRIVATE KEY-----')) return err('no PEM private key found');
  try {
    return ok(
      createPrivateKey(password === '' ? { key: pem } : { key: pem, passphrase: password }),
    );
  } catch (thrown) {
    return err(`malformed private key: ${errorText(thrown)}`);
  }
}

/** Null when the key belongs to the first certificate of the chain, else what is wrong. */
export function pairProblem(leaf: X509Certificate, key: KeyObject): string | null {
  return leaf.checkPrivateKey(key) ? null : 'does not match the certificate';
}

/** Null when OpenSSL knows the cipher suite (TLS 1.2 and older; those of TLS 1.3 are fixed). */
export function cipherProblem(suite: string): string | null {
  return secureContextProblem({ ciphers: suite }, `unknown cipher suite '${suite}'`);
}

/** Null when OpenSSL knows the curve (`X25519`, `P-256`). */
export function curveProblem(curve: string): string | null {
  return secureContextProblem({ ecdhCurve: curve }, `unknown curve '${curve}'`);
}

/** Null when OpenSSL knows the signature algorithm (`ecdsa_secp256r1_sha256`). */
export function signatureAlgorithmProblem(algorithm: string): string | null {
  return secureContextProblem({ sigalgs: algorithm }, `unknown signature algorithm '${algorithm}'`);
}

/** Null when servers and clients may use this key. The rules and words are Envoy's. */
export function keyProblem(key: KeyObject): string | null {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return (modulusLength ?? 0) >= MIN_RSA_BITS
        ? null
        : 'only RSA certificates with 2048-bit or larger keys are supported';
    case 'ec':
      return ['prime256v1', 'secp384r1', 'secp521r1'].includes(namedCurve ?? '')
        ? null
        : 'only P-256, P-384 or P-521 ECDSA certificates are supported';
    default:
      return 'unsupported public key algorithm. Only RSA and ECDSA are supported';
  }
}

function secureContextProblem(options: SecureContextOptions, problem: string): string | null {
  try {
    createSecureContext(options);
    return null;
  } catch {
    return problem; // OpenSSL's own words say less
  }
}

/** The CRLs of a PEM text as PEM again; '' = none. trusted_ca may hold some beside its certificates. */
export function crlsIn(pem: string): string {
  return blocks(pem, 'X509 CRL').join('\n');
}

/** Null when the text has at least one CRL and OpenSSL can read it. */
export function crlProblem(pem: string): string | null {
  const crls = crlsIn(pem);
  if (crls === '') return 'no PEM CRL found';
  return secureContextProblem({ crl: crls }, 'malformed CRL');
}
